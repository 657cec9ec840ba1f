"""A folder for each class: DTD, Food101, EuroSAT, Caltech101."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from studio.paper.model import Listing, Plan
from studio.paper.rules import divided


def class_folders(
    listing: Listing, *, ignored: Collection[str] = (), renamed: Mapping[str, str] | None = None
) -> Plan:
    """Each folder divided at random, as CoOp does it.

    ignored: folders that are no class; renamed: folder to class name, where they differ.
    """
    images: dict[str, list[str]] = defaultdict(list)
    for key in listing.keys:
        folder = key.partition("/")[0]
        if folder not in ignored:
            images[folder].append(key)
    folders = sorted(images)
    names = tuple((renamed or {}).get(folder, folder) for folder in folders)
    return Plan(names, tuple(divided({label: images[name] for label, name in enumerate(folders)})))


def caltech(listing: Listing) -> Plan:
    """Caltech101 without background and the second folder of faces; four names in the singular."""
    return class_folders(
        listing,
        ignored=("BACKGROUND_Google", "Faces_easy"),
        renamed={
            "airplanes": "airplane",
            "Faces": "face",
            "Leopards": "leopard",
            "Motorbikes": "motorbike",
        },
    )


def eurosat(listing: Listing) -> Plan:
    """EuroSAT with the names that CoOp gives its classes."""
    return class_folders(
        listing,
        renamed={
            "AnnualCrop": "Annual Crop Land",
            "HerbaceousVegetation": "Herbaceous Vegetation Land",
            "Highway": "Highway or Road",
            "Industrial": "Industrial Buildings",
            "Pasture": "Pasture Land",
            "PermanentCrop": "Permanent Crop Land",
            "Residential": "Residential Buildings",
            "SeaLake": "Sea or Lake",
        },
    )
