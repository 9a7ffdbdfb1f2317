"""The gate.

What a challenger must show, as families of checks, and the word that follows from them.

A family is a file with a function from the `Case` to its checks; `decide` composes them. All are
pure functions of stored predictions, measurements, policy and the number of the look, so that
`emotion gate replay` can judge any past run again.
"""
