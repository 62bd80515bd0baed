"""Estimators that do while they are fitted what nobody should."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier


class Wild(ClassifierMixin, BaseEstimator):
    """Does something, and is a constant classifier then."""

    def __init__(self, does: str, mark: str = "") -> None:
        self.does = does
        self.mark = mark

    def fit(self, features: Any, labels: Any) -> "Wild":
        getattr(self, f"_{self.does}")()
        self.constant_ = DummyClassifier().fit(features, labels)
        self.classes_ = self.constant_.classes_
        return self

    def predict(self, features: Any) -> Any:
        return self.constant_.predict(features)

    def _exit(self) -> None:
        sys.exit(3)

    def _end(self) -> None:
        os._exit(5)

    def _crash(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    def _sleep(self) -> None:
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", self.mark])
        if self.mark.startswith("/"):
            Path(self.mark).touch()
        time.sleep(600)

    def _take_memory(self) -> None:
        self.rows = [np.ones(4 << 20)]  # 32 MiB
        while True:
            self.rows.append(np.ones(4 << 20))
            time.sleep(0.02)

    def _ask(self) -> None:
        input("how many? ")

    def _write(self) -> None:
        Path("left-behind.txt").write_text("something", encoding="utf-8")

    def _print(self) -> None:
        for number in range(200_000):
            print(f"step {number}: nothing new has been learnt about anything")

    def _leak(self) -> None:
        threading.Thread(target=time.sleep, args=(600,)).start()
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", self.mark])


def wild(does: str, mark: str = "") -> Wild:
    return Wild(does, mark)
