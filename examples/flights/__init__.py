"""A real year of real flights out of New York, played week by week through the loop: what ``make demo`` runs."""
