"""A rival for labels: logistic regression on the TF-IDF weights of all strings of 1 to 5 characters (scikit-learn).

    python tests/bench/forms/ngram_classifier.py TRAIN TEST

Both files have `text TAB label` lines. The strength of the regularization is the best of three on a tenth of the
training sources; then all of them are learned. Prints one JSON object.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pairs
import scores
import sklearn
from pairs import Pair
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

STRENGTHS = (3.0, 30.0, 300.0)
"""The values of C to choose from: a larger one regularizes less."""


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description="Logistic regression on the TF-IDF weights of character n-grams.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("train", type=Path, help="text TAB label lines to learn from")
    parser.add_argument("test", type=Path, help="others to score")
    parser.add_argument("--longest", type=int, default=5, help="the length of the longest n-gram")
    parser.add_argument("--balanced", action="store_true", help="let rare labels count as much as frequent ones")
    parser.add_argument("--seed", type=int, default=1, help="of the tenth that chooses the regularization")
    return parser.parse_args()


def bounded(texts: Sequence[str]) -> list[str]:
    """The texts between a start and an end mark, so that n-grams know where a text begins and ends."""
    return [f"\x02{text}\x03" for text in texts]


def fitted(train: Sequence[Pair], longest: int, strength: float, balanced: bool) -> Pipeline:
    """The classifier, trained."""
    model = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, longest), sublinear_tf=True),
        LogisticRegression(C=strength, max_iter=1000, class_weight="balanced" if balanced else None),
    )
    texts, labels = zip(*train, strict=True)
    with threadpool_limits(1):  # its steps are so short that threads wait more than they work
        return model.fit(bounded(texts), labels)


def predictions(model: Pipeline, examples: Sequence[Pair]) -> list[str]:
    """The labels that the model gives to some texts."""
    return [str(label) for label in model.predict(bounded([text for text, _ in examples]))]


def main() -> None:
    """Chooses the regularization, learns, scores, and prints the figures."""
    args = arguments()
    train, test = pairs.read(args.train), pairs.read(args.test)
    began = time.perf_counter()
    some, held_out = pairs.divide(train, args.seed)

    def validation(strength: float) -> float:
        model = fitted(some, args.longest, strength, args.balanced)
        return scores.accuracy([label for _, label in held_out], predictions(model, held_out))

    strength = max(STRENGTHS, key=validation)
    model = fitted(train, args.longest, strength, args.balanced)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    found, labels = predictions(model, test), [label for _, label in test]
    figures = {
        "program": "ngram_classifier",
        "accuracy": scores.accuracy(labels, found),
        "macro_f1": scores.macro_f1(labels, found),
        "seconds": seconds,
        "test_seconds": time.perf_counter() - began,
        "train": len(train),
        "test": len(test),
        "parameters": model[-1].coef_.size + model[-1].intercept_.size,
        "strength": strength,
        "scikit_learn": sklearn.__version__,
        "threads": 1,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
