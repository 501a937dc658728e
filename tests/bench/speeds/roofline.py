"""The roofline: the floating-point operations per second of a product of two large matrices, on all threads."""

from speeds.race import Competitor, Outcome, Outcomes, Step

SIZE = 2048
"""Rows and columns of the matrices."""
PRODUCTS = {"float32": "sgemm", "bfloat16": "product in bfloat16"}
"""The names of the products by their precisions."""


def competitors() -> list[Competitor]:
    """The products; the fastest of a precision in each round is its roofline."""
    return [
        Competitor("sgemm of NumPy", numpy_product),
        *(
            Competitor(f"{product} of PyTorch", torch_product, {"precision": precision})
            for precision, product in PRODUCTS.items()
        ),
    ]


def highest(outcomes: Outcomes, precision: str = "float32") -> Outcome:
    """The roofline: in each round the rate of the faster product; the remark names the one with the faster median."""
    products = {
        name: outcome for name, outcome in outcomes.items() if name.startswith(PRODUCTS[precision]) and outcome.rates
    }
    best = max(products, key=lambda name: products[name].median or 0, default="")
    return Outcome([max(rates) for rates in zip(*(p.rates for p in products.values()), strict=True)], best)


def numpy_product() -> tuple[Step, str]:
    """c ← a b by NumPy."""
    import numpy as np

    rng = np.random.default_rng(0)
    a, b = (rng.random((SIZE, SIZE), np.float32) for _ in "ab")
    c = a @ b

    def step() -> float:
        np.matmul(a, b, out=c)
        return 2 * SIZE**3

    return step, ""


def torch_product(precision: str) -> tuple[Step, str]:
    """c ← a b by PyTorch."""
    import torch

    a, b = (torch.rand(SIZE, SIZE).to(getattr(torch, precision)) for _ in "ab")
    c = a @ b

    def step() -> float:
        torch.mm(a, b, out=c)
        return 2 * SIZE**3

    return step, ""
