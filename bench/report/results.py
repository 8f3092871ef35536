# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""What the benchmarks have measured: lines of experiment, at, name, metric and value, tab-separated."""


class Results:
    def __init__(self, path):
        self.values = {}
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                experiment, at, name, metric, value = line.rstrip("\n").split("\t")
                self.values[experiment, float(at), name, metric] = float(value)

    def get(self, experiment, at, name, metric):
        return self.values.get((experiment, at, name, metric))

    def ats(self, experiment):
        """At what the experiment was made, in order."""
        return sorted({key[1] for key in self.values if key[0] == experiment})

    def names(self, experiment):
        """Who took part, in the order of the first appearance."""
        return list(dict.fromkeys(key[2] for key in self.values if key[0] == experiment))

    def metrics(self, experiment, name):
        return [key[3] for key in self.values if key[0] == experiment and key[2] == name]

    def series(self, experiment, name, metric):
        """The points (at, value) of one name, in order."""
        found = ((at, self.get(experiment, at, name, metric)) for at in self.ats(experiment))
        return [(at, value) for at, value in found if value is not None]

    def last(self, experiment, name, metric):
        """The value at the largest `at`; None if there is none."""
        points = self.series(experiment, name, metric)
        return points[-1][1] if points else None

    def calls(self, name):
        """How many system calls one child takes in all; None where they were not counted."""
        counted = [self.get("calls", 1, name, call) for call in self.metrics("calls", name)]
        return sum(counted) if counted else None
