"""Compares `apply` with scikit-image and SciPy, pixel for pixel, on photographs of scikit-image.

    cargo build --release -p morphograd
    python crates/train/tests/apply/scikit_image.py target/release/morphograd

It needs scikit-image, tifffile and pillow. Each operator that both have runs on `coins`, `page`,
`text` and `camera`, as 8 bit PNG, 16 bit PNG and float TIFF. It prints a line an operator, and
fails where a pixel differs.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage
from skimage import data, morphology, util

EIGHT = np.ones((3, 3), bool)


def shape(name):
    """The footprint of an element's text."""
    word, _, size = name.partition(":")
    if word == "square":
        return np.ones((int(size),) * 2, np.uint8)
    if word == "rectangle":
        return np.ones([int(n) for n in size.split("x")], np.uint8)
    if word == "octagon":
        return morphology.octagon(*[int(n) for n in size.split("x")])
    return {"disk": morphology.disk, "diamond": morphology.diamond}[word](int(size))


def white(image):
    """The value of white, by the type of the pixels."""
    return image.dtype.type(1 if image.dtype.kind == "f" else np.iinfo(image.dtype).max)


def reconstructed(seed, mask, method="dilation"):
    """A reconstruction, in the type of the image."""
    return morphology.reconstruction(seed, mask, method, EIGHT).astype(mask.dtype)


def lowered(image, by):
    """The image minus a height, not below the range."""
    if image.dtype.kind == "f":
        return image - by
    return np.maximum(image.astype(np.int64), by).astype(image.dtype) - by


def raised(image, by):
    """The image plus a height, not above the range."""
    if image.dtype.kind == "f":
        return image + by
    return np.minimum(image.astype(np.int64), white(image) - by).astype(image.dtype) + by


def height(image, share=0.08):
    """A share of white, rounded as `apply` does."""
    if image.dtype.kind == "f":
        return np.float32(share)
    return image.dtype.type(np.floor(share * float(white(image)) + 0.5))


def mask(image, where):
    """White where something is, else 0."""
    return np.where(where, white(image), image.dtype.type(0))


def h_maxima(image):
    """The image with every peak lowered."""
    return reconstructed(lowered(image, height(image)), image)


def h_minima(image):
    """The image with every valley filled."""
    return reconstructed(raised(image, height(image)), image, "erosion")


def sequential(image, sizes, family):
    """Closings and openings by turns."""
    for size in sizes:
        footprint = family(size)
        image = morphology.opening(morphology.closing(image, footprint), footprint)
    return image


def distances(image, of_set, transform=ndimage.distance_transform_edt, **options):
    """Distances of the pixels of a set to the others, rounded where pixels are integers."""
    found = transform(of_set, **options)
    if image.dtype.kind == "f":
        return found.astype(np.float32)
    return np.minimum(np.floor(found + 0.5), white(image)).astype(image.dtype)


def cases():
    """The words of a pipeline, and the same computed by the libraries."""
    for element in ["square:3", "rectangle:5x9", "disk:1", "disk:5", "disk:12", "diamond:4",
                    "octagon:5x3"]:
        footprint = shape(element)
        for name, function in [
            ("dilation", morphology.dilation),
            ("erosion", morphology.erosion),
            ("opening", morphology.opening),
            ("closing", morphology.closing),
            ("white-top-hat", morphology.white_tophat),
            ("black-top-hat", morphology.black_tophat),
        ]:
            yield f"{name} {element}", lambda x, f=function, b=footprint: f(x, b)
        yield f"gradient {element}", lambda x, b=footprint: (
            morphology.dilation(x, b) - morphology.erosion(x, b))
        yield f"internal-gradient {element}", lambda x, b=footprint: x - morphology.erosion(x, b)
        yield f"external-gradient {element}", lambda x, b=footprint: morphology.dilation(x, b) - x
        yield f"opening-by-reconstruction {element}", lambda x, b=footprint: (
            reconstructed(morphology.erosion(x, b), x))
        yield f"closing-by-reconstruction {element}", lambda x, b=footprint: (
            reconstructed(morphology.dilation(x, b), x, "erosion"))
    yield "alternating-sequential disk:3", lambda x: sequential(x, [1, 2, 3], morphology.disk)
    yield "opening disk:3 | black-top-hat square:7", lambda x: morphology.black_tophat(
        morphology.opening(x, morphology.disk(3)), shape("square:7"))
    yield "h-maxima 8%", h_maxima
    yield "h-minima 8%", h_minima
    yield "h-convex 8%", lambda x: x - h_maxima(x)
    yield "h-concave 8%", lambda x: h_minima(x) - x
    for connectivity in [4, 8]:
        steps = connectivity // 4
        yield f"regional-maxima {connectivity}", lambda x, c=steps: mask(
            x, morphology.local_maxima(x, connectivity=c))
        yield f"regional-minima {connectivity}", lambda x, c=steps: mask(
            x, morphology.local_minima(x, connectivity=c))
        yield f"area-opening 64 {connectivity}", lambda x, c=steps: morphology.area_opening(
            x, 64, connectivity=c)
        yield f"area-closing 64 {connectivity}", lambda x, c=steps: area_closing(x, c)
    yield "extended-maxima 8%", lambda x: mask(x, morphology.local_maxima(h_maxima(x)))
    yield "extended-minima 8%", lambda x: mask(x, morphology.local_minima(h_minima(x)))
    yield "threshold 40%", lambda x: mask(x, x >= height(x, 0.4))
    yield "invert", lambda x: util.invert(x)
    yield "threshold 40% | distance to=background", lambda x: distances(x, x >= height(x, 0.4))
    yield "threshold 40% | distance", lambda x: distances(x, x < height(x, 0.4))
    for metric in ["chessboard", "taxicab"]:
        yield f"threshold 40% | distance metric={metric}", lambda x, m=metric: distances(
            x, x < height(x, 0.4), ndimage.distance_transform_cdt, metric=m)
    yield "threshold 40% | hit-or-miss square:1 miss=MISS", lambda x: mask(
        x, ndimage.binary_hit_or_miss(np.pad(x >= height(x, 0.4), 2), [[1]],
                                      [[1, 0, 0, 0, 1]])[2:-2, 2:-2])
    yield "reconstruction marker=MARKER", lambda x: reconstructed(marker(x), x)


def area_closing(image, connectivity):
    """The area closing; of floats by the negative, since scikit-image's 1 - (1 - x) is rounded."""
    if image.dtype.kind == "f":
        return -morphology.area_opening(-image, 64, connectivity=connectivity)
    return morphology.area_closing(image, 64, connectivity=connectivity)


def marker(image):
    """Something below the image in places and above it nowhere."""
    return morphology.erosion(image, morphology.disk(7))


def save(path, image):
    """A PNG of integers or a TIFF of floats."""
    if image.dtype.kind == "f":
        tifffile.imwrite(path, image)
    else:
        Image.fromarray(image).save(path)


def load(path):
    """What was saved, in the type of the file."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    image = Image.open(path)
    return np.array(image).astype(np.uint8 if image.mode == "L" else np.uint16)


def main(command):
    """Runs every case on every image and type."""
    images = {name: getattr(data, name)() for name in ["coins", "page", "text", "camera"]}
    failed, compared = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        miss = folder / "miss.txt"
        miss.write_text("#...#\n")
        inputs = []
        for name, image in images.items():
            for depth, pixels in [
                ("8", image),
                ("16", image.astype(np.uint16) * 257),
                ("float", (image / np.float32(255)).astype(np.float32)),
            ]:
                ending = "tif" if depth == "float" else "png"
                path = folder / f"{name}-{depth}.{ending}"
                save(path, pixels)
                save(folder / f"marker-{name}-{depth}.{ending}", marker(pixels))
                assert np.array_equal(load(path), pixels), path
                inputs.append((path, pixels))
        for words, function in cases():
            differing = []
            pipeline = words.replace("MISS", str(miss))
            if "MARKER" in words:
                for path, _ in inputs:
                    out = folder / "out" / path.name
                    out.parent.mkdir(exist_ok=True)
                    run = pipeline.replace("MARKER", str(folder / f"marker-{path.name}"))
                    subprocess.run([command, "apply", run, path, out, "--force"], check=True)
            else:
                paths = [path for path, _ in inputs]
                subprocess.run(
                    [command, "apply", pipeline, *paths, "--out", folder / "out", "--force", "-q"],
                    check=True,
                )
            for path, pixels in inputs:
                found, expected = load(folder / "out" / path.name), function(pixels)
                compared += 1
                if found.dtype != pixels.dtype or not np.array_equal(found, expected):
                    count = np.count_nonzero(found != expected)
                    differing.append(f"{path.stem} ({count} pixels, {found.dtype})")
            failed += len(differing)
            print(f"{words:50} {'equal' if not differing else ', '.join(differing)}", flush=True)
    print(f"{compared - failed} of {compared} comparisons are equal")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
