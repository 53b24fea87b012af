"""The PyTorch twin of lib/tests/train_peer.rs: the same network learns the same digits with the same settings.

Prints the accuracies on the test parts of five seeds as JSON; `tests/fixtures/peers/digits.json` is what it printed, and
the test in Rust reads its settings from there. Run it only to change the reference: python digits.py > ../fixtures/peers/digits.json
"""

import gzip
import json
import pathlib
import statistics

import torch
from torch import nn

DIGITS = pathlib.Path(__file__).parents[2] / "lib/src/data/digits.csv.gz"
SETTINGS = {"epochs": 12, "batch_size": 64, "lr": 3e-3, "weight_decay": 0.01, "seeds": [1, 2, 3, 4, 5]}


def data():
    rows = [[int(field) for field in line.split(",")] for line in gzip.open(DIGITS, "rt")]
    images = torch.tensor([row[:64] for row in rows], dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    return images, torch.tensor([row[64] for row in rows])


def part(seed, rows):
    """70 % to learn from, 15 % to watch, 15 % to be judged by: which rows, differs from seed to seed."""
    place = [(row + 4 * seed) % 20 for row in range(rows)]
    return [[row for row in range(rows) if low <= place[row] < high] for low, high in [(0, 14), (14, 17), (17, 20)]]


def network():
    def block(before, after):
        return [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(*block(1, 16), *block(16, 32), nn.Flatten(), nn.Linear(32 * 2 * 2, 10))


def accuracy(seed):
    torch.manual_seed(seed)
    images, labels = data()
    train, _, test = part(seed, len(labels))
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images[train], labels[train]), SETTINGS["batch_size"], shuffle=True
    )
    net = network()
    optimizer = torch.optim.AdamW(net.parameters(), lr=SETTINGS["lr"], weight_decay=SETTINGS["weight_decay"])
    for _ in range(SETTINGS["epochs"]):
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
    net.eval()
    with torch.inference_mode():
        return (net(images[test]).argmax(1) == labels[test]).double().mean().item()


if __name__ == "__main__":
    accuracies = [accuracy(seed) for seed in SETTINGS["seeds"]]
    result = {"torch": torch.__version__, **SETTINGS, "accuracies": accuracies, "mean": statistics.mean(accuracies)}
    print(json.dumps(result, indent=1))
