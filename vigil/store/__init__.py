"""The monitoring database: what it promises (:mod:`.contract`) and its SQL implementation (:mod:`.sql`)."""
