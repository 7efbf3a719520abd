/* 100,000 runs: the list goes through them page by page, and has a screenful of them in the page at any time. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { eventually, type Browser as SignedIn } from '../api/house.ts';
import { WebHouse } from './house.ts';

const runs = 100_000;
const perBatch = 1_000;
/** So far the bar is dragged. */
const deep = 30_000;

let web: WebHouse;
let ada: SignedIn;
before(async () => {
    web = await WebHouse.open();
    ada = await web.house.welcome('ada');
    const repo = await web.house.repo('infra');
    await web.house.server.stop();
    seed(web.house.database.url, repo.lane);
    await web.house.start();
});
after(() => web.closeContent());

/** Runs that ended long ago, one a minute, straight into the rows. */
function seed(file: string, lane: number): void {
    const db = new DatabaseSync(file);
    const first_ms = Date.now() - (runs + 60) * 60_000;
    db.exec('begin');
    db.prepare(
        `insert into change (repository_id, kind, key, number, title, created_ms, updated_ms)
         values (?, 'pull_request', '7', 7, 'Many at once', ?, ?)`,
    ).run(lane, first_ms, first_ms);
    db.prepare(
        `with recursive n(i) as (select 0 union all select i + 1 from n where i < ?)
         insert into batch (id, repository_id, change_id, event, activity, head_sha, state, verdict, actor, node_count,
             dispatchable, edges, created_ms, started_ms, ended_ms, updated_ms)
         select printf('batch_%024d', i), ?, (select max(id) from change), 'pull_request', 'opened', 'a', 'ended', 'success',
             'ana', 0, 0, x'', ? + i, ? + i, ? + i, ? + i from n`,
    ).run(runs / perBatch - 1, lane, first_ms, first_ms, first_ms, first_ms);
    db.prepare(
        `with recursive n(i) as (select 0 union all select i + 1 from n where i < ?)
         insert into run (id, batch_seq, position, attempt, repository_id, stack, component, workflow, ref, sha, guess, state,
             created_ms, started_ms, ended_ms, seen_ms)
         select printf('run_%024d', i), (select min(seq) from batch) + i / ${perBatch}, i % ${perBatch}, 1, ?, printf('stack-%03d', i % 200),
             printf('row-%06d', i), 'plan.yaml', 'main', 'a', 'plan', case i % 7 when 0 then 'failure' else 'success' end,
             ? + i * 60000, ? + i * 60000, ? + i * 60000 + 4000, 0 from n`,
    ).run(runs - 1, lane, first_ms, first_ms, first_ms);
    db.exec(
        `insert into instance (repository_id, stack, component, created_ms, updated_ms)
         select repository_id, stack, component, created_ms, created_ms from run`,
    );
    db.exec('commit');
    db.close();
}

test('of 100,000 runs, tens of thousands are scrolled through; few of them exist in the page at any time, and the last is found', async (t) => {
    const tab = await web.tab(ada);
    await tab.go('/deployments');
    await tab.sees('row-099999');
    // As somebody does who drags the bar to its end again and again.
    const seen = await tab.page.evaluate(async (wanted) => {
        const table = document.querySelector<HTMLElement>('[role="table"]')!;
        const out = { looks: 0, rows_max: 0, total_ms: 0, lines: 0 };
        const begin = performance.now();
        const last = () =>
            Number([...table.querySelectorAll('[data-index]')].at(-1)?.getAttribute('data-index'));
        while (last() < wanted && performance.now() - begin < 200_000) {
            table.scrollTop = table.scrollHeight;
            await new Promise(requestAnimationFrame);
            out.looks++;
            out.rows_max = Math.max(out.rows_max, table.querySelectorAll('[data-index]').length);
        }
        out.lines = last();
        out.total_ms = Math.round(performance.now() - begin);
        return out;
    }, deep);
    assert.ok(seen.lines >= deep, `it came to line ${seen.lines}`);
    assert.ok(seen.rows_max < 120, `${seen.rows_max} rows were in the page at once`);
    const frames = await tab.page.evaluate(async () => {
        const table = document.querySelector<HTMLElement>('[role="table"]')!;
        const took: number[] = [];
        for (let last = performance.now(); took.length < 120;) {
            table.scrollTop -= 90;
            await new Promise(requestAnimationFrame);
            took.push(performance.now() - last);
            last = performance.now();
        }
        took.sort((a, b) => a - b);
        return { median_ms: Math.round(took[60]!), p95_ms: Math.round(took[114]!) };
    });
    t.diagnostic(JSON.stringify({ ...seen, ...frames }));

    await tab.page.keyboard.press('Home');
    const table = tab.page.getByRole('table', { name: 'Deployments' });
    await table.evaluate((box) => box.scrollTo({ top: 0 }));
    await tab.sees('row-099999');
    await tab.page.getByRole('textbox', { name: 'Component', exact: true }).fill('row-00001*');
    await tab.sees('row-000019');
    await eventually(async () => assert.equal(await table.getByText(/^row-00001\d$/).count(), 10));
    await tab.close();
});
