"""Slopes: the derivative of a loss along a direction among the parameters, by finite differences."""


def moved(params, direction, eps):
    """The parameters, some way along a direction."""
    return params | {name: params[name] + eps * d for name, d in direction.items()}


def slope_along(loss, nonlinearity="tanh"):
    """The derivative at 0 of a function of one number, by Richardson extrapolation.

    The central differences of two widths are combined so that their error of eps² cancels. With ReLU they are narrow:
    between them must be no kink.
    """
    eps = 1e-4 if nonlinearity == "tanh" else 1e-6
    narrow = (loss(eps) - loss(-eps)) / (2 * eps)
    wide = (loss(2 * eps) - loss(-2 * eps)) / (4 * eps)
    return (4 * narrow - wide) / 3
