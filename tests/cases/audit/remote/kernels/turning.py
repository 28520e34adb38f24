def turned(x):
    from hadamard_kernels import transform  # reaches: source.package

    return transform(x)


def never_called(x):
    from another_package import work

    return work(x)
