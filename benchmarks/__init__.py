"""Side by side with the peers, in one run; figures as ratios."""
