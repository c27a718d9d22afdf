"""``python -m tests.fakes.sleeping``: a child that reads nothing."""

import time

if __name__ == "__main__":
    time.sleep(60)
