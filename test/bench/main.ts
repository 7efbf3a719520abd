/*
 * ./dev bench [--short] [webhooks uploads batch holds locks start runner reads web]: every figure beside its anchor, measured in one run.
 * --web is only the last of them. --short only sees that everything runs. Exit code 1 when a figure is missed (not with --short) or something broke.
 */
import { parseArgs } from 'node:util';
import { showBatch } from './batch.ts';
import { showLive } from './live.ts';
import { showLocks } from './locks.ts';
import { showHolds } from './holds.ts';
import { buildPrograms, has } from './rig.ts';
import { showReads } from './reads.ts';
import { showRunner } from './runner.ts';
import { showStart } from './start.ts';
import type { Figure } from './table.ts';
import { showUploads } from './uploads.ts';
import { showWeb } from './web.ts';
import { showWebhooks } from './webhooks.ts';

const parts: Record<string, (isShort: boolean) => Promise<Figure[]>> = {
    webhooks: showWebhooks,
    uploads: showUploads,
    batch: showBatch,
    holds: showHolds,
    locks: showLocks,
    start: showStart,
    runner: showRunner,
    reads: showReads,
    live: showLive,
    web: showWeb,
};

const { values: flags, positionals } = parseArgs({
    allowPositionals: true,
    options: { short: { type: 'boolean', default: false }, web: { type: 'boolean', default: false } },
});
if (flags.web) positionals.push('web');
const unknown = positionals.filter((name) => !parts[name]);
if (unknown.length > 0) throw new Error(`there is no measurement ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`);

buildPrograms();
let missed = 0;
let measured = 0;
for (const [name, measure] of Object.entries(parts)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    if (flags.short && !has('wrk') && name === 'webhooks') {
        console.log(`\n${name}: left out, wrk is not installed`);
        continue;
    }
    const figures = await measure(flags.short);
    missed += figures.filter((one) => one.reached === false).length;
    measured += figures.length;
}
console.log(`\n${measured} figures, ${missed} missed`);
process.exitCode = missed > 0 && !flags.short ? 1 : 0;
