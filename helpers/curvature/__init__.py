"""Hessian, Gauss-Newton and noise geometry of a trained network.

Every function takes a module, its inputs and its targets, and reads the loss as a
mean over the n examples: L = (1/n) sum_i l(f(x_i), y_i).  With S_i a root of the
output curvature, d2l/df2 = S_i S_i^T, and W_i = S_i^T J_i, the Gauss-Newton matrix is
G = (1/n) sum_i W_i^T W_i: for the half square it is J^T J / n, and where every
example is fitted it is the Hessian.  The Gram matrix K = W W^T has the same non-zero
spectrum as n G, and is small.
"""
