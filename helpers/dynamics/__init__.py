"""The algorithms under test, on small problems: one file a subject.

They are batched over seeds and settings, in double precision, and know no theory.
"""
