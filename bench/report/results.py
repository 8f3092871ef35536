# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""The results of the benchmarks: lines of experiment, parameter, name, metric and value, separated by tabs.

The name is that of the contender. The parameter is what the experiment varies, such as the number of live children.
"""


class Results:
    def __init__(self, path):
        self.values = {}
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                experiment, parameter, name, metric, value = line.rstrip("\n").split("\t")
                self.values[experiment, float(parameter), name, metric] = float(value)

    def get(self, experiment, parameter, name, metric):
        """The value, or None."""
        return self.values.get((experiment, parameter, name, metric))

    def experiments(self):
        return {key[0] for key in self.values}

    def parameters(self, experiment):
        """The parameters of an experiment in ascending order."""
        return sorted({key[1] for key in self.values if key[0] == experiment})

    def names(self, experiment):
        """The contenders in the order of their first lines."""
        return list(dict.fromkeys(key[2] for key in self.values if key[0] == experiment))

    def metrics(self, experiment, name):
        return [key[3] for key in self.values if key[0] == experiment and key[2] == name]

    def series(self, experiment, name, metric):
        """The points (parameter, value) of one contender in ascending order."""
        points = [(parameter, self.get(experiment, parameter, name, metric))
                  for parameter in self.parameters(experiment)]
        return [(parameter, value) for parameter, value in points if value is not None]

    def last(self, experiment, name, metric):
        """The value at the largest parameter, or None."""
        points = self.series(experiment, name, metric)
        return points[-1][1] if points else None

    def syscalls(self, name):
        """The number of all system calls per child, or None."""
        counts = [self.get("syscalls", 1, name, call) for call in self.metrics("syscalls", name)]
        return sum(counts) if counts else None
