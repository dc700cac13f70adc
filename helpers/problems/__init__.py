"""Synthetic problems: one file a subject. A seed fixes a problem, in any company."""
