// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Node. Arguments: PROGRAM COUNT IN_FLIGHT.
//
// Runs PROGRAM COUNT times, at most IN_FLIGHT children at a time, and prints the microseconds per child.
const { spawn } = require('node:child_process');

async function runSequentially(program, count) {
  for (; count > 0; --count)
    await new Promise((resolve, reject) =>
      spawn(program, [], { stdio: 'inherit' })
        .on('error', reject)
        .on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`exit ${code}`)))));
}

async function run(program, count, inFlight) {
  const shares = Array.from({ length: inFlight }, (_, i) => Math.floor(count / inFlight) + (i < count % inFlight));
  await Promise.all(shares.map((share) => runSequentially(program, share)));
}

async function main() {
  const [program, count, inFlight] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
  await run(program, inFlight + 2, inFlight);
  const start = process.hrtime.bigint();
  await run(program, count, inFlight);
  console.log(Number(process.hrtime.bigint() - start) / 1e3 / count);
}

main();
