"""The steps of training, one module each: `read -> split -> fit -> evaluate -> describe`.

An engine puts them together. There is one, `memory`, which holds all rows in memory at once; another would be a module beside it whose
`run` gives the same `Trained`.
"""
