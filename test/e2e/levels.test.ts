/*
 * A batch that is larger than the safe budget can ever be: it is held whole, and once somebody who may write has agreed, it goes in
 * dependency levels, window after window, each within what is safe (issue text point 5). The windows are short, everything else is as
 * always.
 */
import assert from 'node:assert/strict';
import { after, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { all_success, databasesStop, plan_file, postgres, sqlite, withBox, type Box } from './box.ts';
import type { Part } from './graph.ts';

after(databasesStop);

const limit = 200;
const safe = (limit * 3) / 4;
const window_ms = 8000;

/** Three levels of sixty: 180 stacks, and never more than 150 calls are safe. */
const wide = 60;
const levels = ['network', 'cluster', 'app'];
const parts: Part[] = levels.flatMap((name, level) =>
    Array.from({ length: wide }, (_, i) => ({ component: `${name}-${i}`, ...(level > 0 && { after: [`${levels[level - 1]}-${i}`] }) })),
);

interface Budget {
    known: boolean;
    limit: number | null;
    claimed: number;
    waiting: number;
}
interface AuditEntry {
    action: string;
    actor: { type: string; id: string };
    target: { id: string };
    metadata: { from?: string };
}

const budget = (box: Box) => box.get<Budget>(`/api/v1/installations/${box.installation}/budget`);

/** The small quota, and the server knows of it: each check that is written brings the news. */
async function smallQuota(box: Box): Promise<void> {
    await box.sim.setBudget(box.installation, { limit, remaining: limit, reset_ms: window_ms, window_ms });
    for (let i = 1; i <= 10; i++) {
        const news = await box.pull({ head: `news-${i}`, title: 'Its check brings the news', files: { [`news-${i}.tf`]: '#\n' } });
        await box.until('its check', async () => (await box.check(news.head_sha)) !== undefined, 60_000);
        for (const end = Date.now() + 5000; Date.now() < end; await sleep(25)) {
            const { known, limit: told } = await budget(box);
            if (known && told === limit) return;
        }
    }
    assert.fail(`the server did not learn of the quota: ${JSON.stringify(await budget(box))}`);
}

async function story(box: Box): Promise<void> {
    await box.sim.addUser(box.repo, 'ana', 'write');
    await box.sim.addUser(box.repo, 'eve', 'read');
    await smallQuota(box);
    const pull = await box.pull();
    const { number } = pull;
    await box.uploadPull(parts, pull);
    await box.checked(pull.head_sha, 'action_required', 60_000);
    const offer = await box.commented(number, /- \[ \] \*\*Dispatch in dependency levels\*\* <!-- signalbox:parts batch_/, 60_000);
    assert.match(offer, /would dispatch 180 stacks/);
    assert.match(offer, /larger than the safe budget can ever be/);
    const { id } = await box.batch('opened', pull.head_sha);

    await box.tick(number, 'eve', 'Dispatch in dependency levels');
    await box.commented(number, /`parts` by eve at .* was not carried out: it takes write access/, 60_000);
    assert.deepEqual(await box.forgeRuns(plan_file), [], 'nothing goes before somebody agreed');

    await box.tick(number, 'ana', 'Dispatch in dependency levels');
    await box.until('all levels to succeed', async () => all_success(await box.states(id)), 240_000);
    await box.checked(pull.head_sha, 'success', 60_000);
    await box.commented(number, /180 succeeded/, 60_000);
    await box.until('a comment without ticks', async () => !/- \[x\]/i.test(await box.comment(number)), 60_000);

    await box.inOrder(plan_file, parts);
    await box.clean({ intents: parts.length });
    const { windows, while_limited, overdrawn } = (await box.sim.limits()).callers[`installation ${box.installation}`]!;
    const sent = windows.map((one) => one.dispatches).filter((count) => count > 0);
    assert.equal(sent.reduce((sum, count) => sum + count, 0), parts.length);
    assert.ok(sent.length > 1 && sent.every((count) => count <= safe), `dispatches in each window: ${sent.join(', ')}`);
    assert.deepEqual({ while_limited, overdrawn }, { while_limited: 0, overdrawn: 0 });
    assert.ok((await box.nodes(id)).every((node) => node.attempt === 1), 'each is sent once');
    await box.until('claims that are all spent', async () => (({ claimed, waiting }) => claimed + waiting === 0)(await budget(box)));

    const agreed = (await box.all<AuditEntry>('/api/v1/audit')).filter((one) => one.action === 'dispatch.parts');
    assert.deepEqual(
        agreed.map((one) => [one.actor.type, one.actor.id, one.target.id, one.metadata.from]),
        [['user', 'ana', id, 'checkbox']],
    );
}

for (const database of [sqlite, postgres])
    it(`larger than any safe budget: it goes in dependency levels after a tick (${database.name})`, { timeout: 540_000 }, () =>
        withBox({ database, serve: { github_pace: 0, silent_ms: 120_000, sweep_ms: 5000 }, runMs: 30 }, story),
    );
