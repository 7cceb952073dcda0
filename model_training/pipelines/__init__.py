"""The steps of training, one module each: `read -> split -> fit -> evaluate -> describe`.

An engine puts them together. There are two: `memory` holds all rows in memory at once, and `stream` has them on disk and a few of them in
memory. Another would be a module beside them whose `run` gives the same `Trained`.
"""
