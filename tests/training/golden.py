"""Twenty cases with two scores whose figures are known: from scikit-learn, mlstatkit and netcal."""

Y = [0] * 12 + [1] * 8
NEGATIVES_A = [0.35, 0.41, 0.30, 0.17, 0.26, 0.15, 0.36, 0.62, 0.25, 0.23, 0.45, 0.42]
NEGATIVES_B = [0.00, 0.30, 0.10, 0.40, 0.38, 0.31, 0.00, 0.24, 0.34, 0.37, 0.04, 0.25]
A = [*NEGATIVES_A, 0.62, 0.41, 0.59, 0.74, 0.33, 0.51, 0.22, 0.34]
B = [*NEGATIVES_B, 0.30, 0.34, 0.71, 0.34, 0.49, 0.68, 0.38, 0.48]
