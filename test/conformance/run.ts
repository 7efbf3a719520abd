/*
 * GitHub's own REST description against the simulator. usage: node test/conformance/run.ts
 * Needs 400 MB once, for the description and Prism.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const here = import.meta.dirname;

function call(command: string, args: string[]): void {
    const ended = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    if (ended.status === 0) return;
    if (ended.error) console.error(`${command}: ${ended.error.message}`);
    process.exit(ended.status ?? 1);
}

for (const [folder, wanted] of [
    [join(here, '..'), 'yaml'],
    [here, '@octokit/openapi'],
] as const) {
    if (!existsSync(join(folder, 'node_modules', wanted))) call('npm', ['ci', '--prefix', folder]);
}
call(process.execPath, ['--test', join(here, 'conformance.test.ts')]);
