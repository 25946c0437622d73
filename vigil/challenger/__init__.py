"""The challenger: what it is trained on, how it is fitted, and how it is compared with the champion."""
