"""What a run shows to people: pictures and scores."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import torch
from matplotlib.figure import Figure
from sklearn.cluster import KMeans as ReferenceKMeans
from torch import Tensor

from bnpgan import metrics, plotting
from bnpgan.features import embed
from bnpgan.images import Images
from bnpgan.randomness import forked
from bnpgan.run import Run

__all__ = ["alike", "baselines", "coverage", "drawable", "evaluate", "evenly", "pictures", "plane", "spreads", "table"]

COLUMNS = 8  # generated, and real, images of each cluster
COMPARED = 100  # generated, and real, images of each cluster whose spreads are compared
ALIKE = 0.5  # seven runs that had not collapsed had a spread of .7 or more in each cluster, one that had .47 or less


def pictures(run: Run, images: Images, out: Path) -> None:
    """Write ``samples.png``, generated beside real data of each cluster, and ``clusters.png``, the features in 2-D.

    Clusters that hold less than 1 % of the data are left out of ``samples.png``; the rest come heaviest first.
    """
    counts, heavy = run.partition.counts, _heavy(run)
    if len(images.shape) == 4:
        real = [drawable(images[evenly((run.partition.labels == k).nonzero()[:, 0], COLUMNS)]) for k in heavy]
        fake = [drawable(run.sample(COLUMNS, cluster=k)) for k in heavy]
        names = run.names or []
        told = [f"cluster {k}{f' ({names[k]})' if k < len(names) else ''}" for k in heavy]
        titles = [f"{name}, {counts[k] / len(images):.0%}" for name, k in zip(told, heavy, strict=True)]
        figure = plotting.cluster_grid(real, fake, titles)
    else:
        shown = evenly(torch.arange(len(images)), 5000)
        c = run.slots(len(shown))
        labels, points, made = run.partition.labels[shown], images[shown], run.generate(c)
        figure = plotting.cluster_scatter(
            [plane(points[labels == k]) for k in heavy], [plane(made[c == k]) for k in heavy], heavy
        )
    plotting.save(noted(figure, run), out / "samples.png")
    map_of_features(run, images, out)


def _heavy(run: Run) -> list[int]:
    # The clusters that are shown, heaviest first.
    counts = run.partition.counts
    heavy = counts.argsort(descending=True).tolist()
    return [k for k in heavy if counts[k] >= 0.01 * counts.sum()] or heavy[:20]


def evenly(members: Tensor, n: int) -> Tensor:
    """``n`` of the members ``(M,)``, or all, evenly from the first to the last: files are often sorted by class."""
    at = torch.linspace(0, len(members) - 1, min(n, len(members)), dtype=torch.float64)
    return members[at.round().long().to(members.device)]


def noted(figure: Figure, run: Run) -> Figure:
    """The figure, with what has to be said of the data below it."""
    data = run.config["data"]
    if isinstance(data, dict) and "note" in data:
        figure.supxlabel(textwrap.fill(data["note"], int(14 * figure.get_figwidth())), fontsize=7)
    return figure


def map_of_features(run: Run, images: Images, out: Path, layout: plotting.Layout = plotting.principal) -> None:
    """Write ``clusters.png``, the features in 2-D."""
    features = embed(run.gan.features, run.gan, images)
    features = features if features.shape[1] > 1 else plane(features)
    figure = Figure(figsize=(6, 6), layout="constrained")
    plotting.embedding(features, run.partition.labels, figure.subplots(), layout)
    plotting.save(noted(figure, run), out / "clusters.png")


def spreads(run: Run, images: Images) -> dict[int, float]:
    """How far generated images of a cluster lie apart, as a share of how far its real ones do: ``metrics.spread``.

    It is measured on up to 100 of each, and draws of its own, of each cluster that ``samples.png`` shows; clusters
    whose real images are all alike are left out.
    """
    found = {}
    with forked(run.partition.labels.device, run.config["seed"]):
        for k in _heavy(run):
            members = (run.partition.labels == k).nonzero()[:, 0]
            real = images[evenly(members, COMPARED).to(images.device)]
            if bool((real != real[:1]).any()):
                found[k] = metrics.spread(run.sample(COMPARED, cluster=k), real)
    return found


def alike(spreads: Mapping[int, float]) -> str | None:
    """What has to be said where the generated images of a cluster lie less than half as far apart as its real ones."""
    few = [k for k, spread in spreads.items() if spread < ALIKE]
    if not few:
        return None
    return (
        f"in {len(few)} of {len(spreads)} clusters generated data lie less than {ALIKE} times as far apart as real "
        f"ones (cluster {min(few, key=spreads.__getitem__)}: {min(spreads.values()):.2f}): if more steps do not help, "
        "the generator has collapsed there; train anew with a larger weight of the penalty, or lower rates"
    )


def evaluate(run: Run, truth: Tensor | None, spreads: Mapping[int, float]) -> dict[str, float]:
    """Scores of a run: of its clusters against the classes ``truth`` ``(N,)``, where there are any, and its speed.

    Returns:
        those of ``metrics.clustering`` where there are classes, else ``clusters``, which hold at least 1 % of the data;
        ``spread`` and ``spread_least``, the median over clusters and the least of ``spreads``; ``images_per_second`` of
        training, and ``clustering_share``, the share of its time that went into clustering.
    """
    labels = run.partition.labels
    scores: dict[str, float] = (
        {"clusters": metrics.large_clusters(labels)} if truth is None else metrics.clustering(labels, truth)
    )
    if spreads:
        scores |= {"spread": median(spreads.values()), "spread_least": min(spreads.values())}
    if not run.history:  # stopped before the first row
        return scores
    last = run.history[-1]
    speed = last["step"] * run.gan.schedule.batch / last["seconds"]
    return {**scores, "images_per_second": speed, "clustering_share": last["clustering_seconds"] / last["seconds"]}


def coverage(run: Run, means: Tensor, std: float, n: int = 50_000) -> tuple[dict[str, float], dict[str, float]]:
    """Scores of ``n`` generated points against round modes, see ``metrics.modes``, and those of as many exact ones."""
    return metrics.modes(run.sample(n), means, std), metrics.exact_modes(n, means, std)


def baselines(x: Images, truth: Tensor) -> dict[str, dict[str, float]]:
    """Scores of scikit-learn's k-means on the data themselves, with the number of classes and with twice that."""
    classes, points = len(truth.unique()), x[:].flatten(1).cpu().numpy()
    return {
        f"k-means on the data, K={k}": metrics.clustering(
            ReferenceKMeans(k, n_init=10, random_state=0).fit_predict(points), truth
        )
        for k in (classes, 2 * classes)
    }


def table(rows: dict[str, dict[str, float]]) -> str:
    """Scores side by side, a line for each entry of ``rows``."""
    columns: dict[str, tuple[str, str]] = {
        "clusters": ("clusters", "d"),
        "nmi": ("NMI", ".3f"),
        "ari": ("ARI", ".3f"),
        "purity": ("purity", ".3f"),
        "top_purity": ("top purity", ".3f"),
        "top_mass": ("its mass", ".3f"),
        "inverse_purity": ("inv. purity", ".3f"),
        "spread": ("spread", ".2f"),
        "modes": ("modes", ".0f"),
        "quality": ("within 3 sd", ".2%"),
        "reverse_kl": ("reverse KL", ".5f"),
        "images": ("images", ",d"),
        "guessed": ("guessed", ".4f"),
        "error": ("error", ".4f"),
        "named": ("slot named", ".1%"),
        "real": ("real", ",d"),
        "fake": ("generated", ",d"),
        "frechet_distance": ("Frechet", ".4g"),
        "kernel_distance": ("kernel", ".4g"),
        "precision": ("precision", ".3f"),
        "recall": ("recall", ".3f"),
        "density": ("density", ".3f"),
        "coverage": ("coverage", ".3f"),
        "images_per_second": ("images/s", ",.0f"),
        "clustering_share": ("clustering", ".1%"),
    }
    shown = {key: value for key, value in columns.items() if any(key in row for row in rows.values())}
    width = max(len(name) for name in rows)
    lines = [" " * width + "".join(f"{title:>12}" for title, _ in shown.values())]
    for name, row in rows.items():
        cells = (format(row[key], form) if key in row else "" for key, (_, form) in shown.items())
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def drawable(x: Tensor) -> Tensor:
    """Images as they are, or their first channel where there are neither one nor three."""
    return x if x.shape[1] in (1, 3) else x[:, :1]


def plane(x: Tensor) -> Tensor:
    """The first two coordinates ``(N, 2)``; a line is drawn as a plane without height."""
    return x[:, :2] if x.shape[1] > 1 else torch.cat([x, torch.zeros_like(x)], 1)
