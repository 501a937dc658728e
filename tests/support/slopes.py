"""Slopes: the derivative of a loss along a direction among the parameters, by finite differences."""


def moved(params, direction, eps):
    """The parameters, some way along a direction."""
    return params | {name: params[name] + eps * d for name, d in direction.items()}


def slope_along(loss, eps=1e-4):
    """The derivative at 0 of a function of one number, by Richardson extrapolation.

    The central differences of two widths are combined so that their error of eps² cancels.
    """
    narrow = (loss(eps) - loss(-eps)) / (2 * eps)
    wide = (loss(2 * eps) - loss(-2 * eps)) / (4 * eps)
    return (4 * narrow - wide) / 3
