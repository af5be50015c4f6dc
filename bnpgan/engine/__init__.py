"""What families and samplers compute with: pieces of points, products, draws of slots, decompositions, compiled loops.

Nothing here knows a family of components, a prior or a sampler: it works on points, features, weights and labels.
"""
