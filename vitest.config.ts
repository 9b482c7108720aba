/**
 * What vitest runs: the tests of every package, example and script. `EFFECT_MYSQL_TESTS=long` turns to the long ones
 * (`*.long.ts`), which `npm run test:long` runs with the seed in `TEST_SEED`. Servers come from outside:
 * `scripts/test.ts` starts them and says where they are in `EFFECT_MYSQL_TEST_SERVERS`.
 */

import { defineConfig, type ViteUserConfig } from "vitest/config"
import { availableParallelism } from "node:os"

const long = process.env.EFFECT_MYSQL_TESTS === "long"
const suffix = long ? "long" : "test"
const seconds = 1000

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["{packages/*,examples,benchmarks,scripts}/test/**", "test/**"].map(
      (folder) => `${folder}/*.${suffix}.ts`
    ),
    exclude: ["**/node_modules/**", "**/dist/**"],
    // Bun forks none.
    pool: process.versions.bun === undefined ? "forks" : "threads",
    maxWorkers: Math.min(4, availableParallelism()),
    testTimeout: (long ? 1800 : 30) * seconds,
    hookTimeout: (long ? 600 : 120) * seconds,
    teardownTimeout: 10 * seconds,
    coverage: { provider: "v8", include: ["packages/*/src/**/*.ts"] }
  }
})

export default config
