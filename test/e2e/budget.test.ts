/*
 * A budget of 1,000 calls meets 40 pull requests of 60 stacks: whole batches wait, go by themselves window after window, and nobody
 * calls while told to wait or when nothing remains (issue text points 4 and 5). The windows are short, everything else is as always.
 */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { databasesStop, postgres, sqlite, withBox, type Box, type Database } from './box.ts';
import type { Part } from './graph.ts';

after(databasesStop);

const stacks = 60;
const limit = 1000;
const window_ms = 12_000;

const parts = (pull: number): Part[] => Array.from({ length: stacks }, (_, i) => ({ component: `c${pull}-${i}` }));

interface Budget {
    known: boolean;
    remaining: number | null;
    claimed: number;
    waiting: number;
    spent: { purpose: string; calls: number; refused: number }[];
}

async function limitsOf(box: Box) {
    const { callers } = await box.sim.limits();
    return callers[`installation ${box.installation}`]!;
}

/** Batches that had to stop on their way: a dispatch of theirs was put back and had to wait for the quota. */
async function partlySent(box: Box): Promise<number> {
    let partly = 0;
    for (const batch of await box.batches()) partly += Number((await box.nodes(batch.id)).some((node) => node.attempt !== 1));
    return partly;
}

async function share(box: Box, pulls: number): Promise<void> {
    await box.sim.setBudget(box.installation, { limit, remaining: limit, reset_ms: 3000, window_ms: 3000 });
    const opened = [];
    const began = Date.now();
    for (let i = 1; i <= pulls; i++) opened.push(await box.pull({ head: `feature-${i}`, title: `Change ${i}`, files: { [`c${i}.tf`]: `# ${i}\n` } }));
    /* Not one of them fits into what is left of this window, which a slow machine needs to be longer: all have to be there before it ends. */
    const first_ms = Math.min(180_000, Math.max(window_ms, 8 * (Date.now() - began)));
    await box.sim.setBudget(box.installation, { limit, remaining: 79, reset_ms: first_ms, window_ms });
    const reset_at = Date.now() + first_ms;
    await box.pull({ head: 'one-more', title: 'Its check brings the news', files: { 'news.tf': '#\n' } });
    const budget = () => box.get<Budget>(`/api/v1/installations/${box.installation}/budget`);
    await box.until('the news of what remains', async () => ((await budget()).remaining ?? limit) < 79);
    await Promise.all(opened.map((pull, i) => box.uploadPull(parts(i + 1), pull)));
    const held = async () => (await box.batches()).filter((one) => one.state === 'held').length;
    await box.until('all to be held', async () => (await held()) === pulls || Date.now() > reset_at, first_ms + 1000);
    assert.equal((await limitsOf(box)).windows.at(-1)?.dispatches, 0, 'dispatches before the reset');

    let released_at = 0;
    const windows_needed = Math.ceil((pulls * stacks) / ((limit * 3) / 4));
    await box.until(
        'all batches to end',
        async () => {
            if (released_at === 0 && Date.now() > reset_at && (await held()) === 0) released_at = Date.now();
            const batches = await box.batches();
            return batches.length === pulls && batches.every((one) => one.state === 'ended' && one.verdict === 'success');
        },
        first_ms + (windows_needed + 4) * window_ms + 120_000,
    );
    await box.clean({ intents: pulls * stacks });
    const ledger = await budget();
    assert.equal(ledger.claimed + ledger.waiting, 0, 'nobody has a claim or waits at the end');
    const limits = await limitsOf(box);
    const partly = await partlySent(box);
    const given = limits.windows.filter((one) => one.dispatches > 0).map((one) => `${one.dispatches} of ${one.calls}`);
    console.log(
        `${pulls} pull requests of ${stacks} stacks, ${limit} calls a window of ${window_ms / 1000} s: ` +
            `while limited ${limits.while_limited}, overdrawn ${limits.overdrawn}, partly sent ${partly}, duplicates 0; ` +
            `${((released_at - reset_at) / 1000).toFixed(1)} s from the reset to the last release; dispatches of calls: ${given.join(', ')}; ` +
            `spent: ${ledger.spent.map((one) => `${one.purpose} ${one.calls}`).join(', ')}`,
    );
    assert.equal(ledger.spent.reduce((sum, one) => sum + one.refused, 0), 0, 'calls that were refused');
    assert.equal(limits.while_limited, 0, 'calls while told to wait');
    assert.equal(limits.overdrawn, 0, 'calls when nothing remained');
    assert.equal(partly, 0, 'batches partly sent');
}

function story(name: string, database: Database, pulls: number): void {
    it(`${name}: ${pulls} pull requests share ${limit} calls a window`, { timeout: 600_000 }, () =>
        withBox({ database, serve: { github_pace: 0, log_level: 'info', silent_ms: 120_000, sweep_ms: 5000 }, runMs: 30 }, (box) => share(box, pulls)),
    );
}

story('SQLite', sqlite, Number(process.env['BUDGET_PULLS'] ?? 40));
story('PostgreSQL', postgres, Number(process.env['BUDGET_PULLS'] ?? 14));
