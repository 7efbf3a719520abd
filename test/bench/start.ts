/* 5. An idle server, and how soon it answers when 100,000 runs are stored. */
import { spawn } from 'node:child_process';
import { request } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { importRepository, median, now_ms, openBox, program, used, type Box } from './rig.ts';
import { mb, ms, show, type Figure } from './table.ts';

const statusOf = (url: string): Promise<number> =>
    new Promise((done) => {
        const ask = request(url, { agent: false }, (answer) => {
            answer.resume();
            done(answer.statusCode ?? 0);
        });
        ask.on('error', () => done(0));
        ask.end();
    });

/** Rows as the engine writes them: ended batches with a thousand nodes each, a run for each node. */
function fill(box: Box, repository: number, runs: number): void {
    const sql = `
        with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ${Math.ceil(runs / 1000)})
        insert into batch (id, repository_id, event, activity, head_sha, base_sha, state, verdict, node_count, dispatchable, edges, created_ms, updated_ms, ended_ms)
        select printf('batch_%026d', i), ${repository}, 'pull_request', 'opened', printf('%040d', i), '', 'ended', 'success', 1000, 1000, x'00', 1, 1, 1 from n;
        with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ${runs})
        insert into node (batch_seq, position, stack, component, workflow, state, run_class, attempt, run_id, changed_ms)
        select (select min(seq) from batch) + i / 1000, i % 1000, 'plat-use1-' || (i % 4), 'unit-' || (i % 1000), 'plan.yaml', 'success', 0, 1, printf('run_%028d', i), 1 from n;
        with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ${runs})
        insert into run (id, batch_seq, position, attempt, repository_id, stack, component, workflow, ref, sha, inputs, state, forge_run_id, created_ms, dispatched_ms, started_ms, ended_ms, seen_ms)
        select printf('run_%028d', i), (select min(seq) from batch) + i / 1000, i % 1000, 1, ${repository}, 'plat-use1-' || (i % 4), 'unit-' || (i % 1000), 'plan.yaml', 'main',
               printf('%040d', i), '{"component":"unit","stack":"plat-use1"}', 'success', 1000000 + i, 1, 1, 1, 2, 2 from n;`;
    const db = new DatabaseSync(`${box.dir}/signalbox.db`);
    db.exec(sql);
    db.close();
}

async function startOnce(box: Box): Promise<number> {
    const begin = now_ms();
    const child = spawn(program, ['serve', '--config', `${box.dir}/signalbox.conf`], { stdio: 'ignore' });
    try {
        for (const end = begin + 60_000; now_ms() < end; await sleep(1)) {
            const status = await statusOf(`${box.serve.url}/readyz`);
            if (status >= 200 && status < 300) return now_ms() - begin;
        }
        throw new Error('no answer after the start');
    } finally {
        const ended = new Promise((done) => child.once('exit', done));
        child.kill('SIGTERM');
        await ended;
    }
}

export async function showStart(isShort: boolean): Promise<Figure[]> {
    const runs = isShort ? 2000 : 100_000;
    const box = await openBox();
    try {
        await sleep(isShort ? 300 : 2000);
        const idle = used(box.pid);
        const before = idle.cpuMs;
        await sleep(isShort ? 300 : 3000);
        const cpu = (used(box.pid).cpuMs - before) / (isShort ? 0.3 : 3);
        const repository = await importRepository(box, 99, 'acme', 'infra');
        await box.serve.stop();
        fill(box, repository, runs);
        const starts: number[] = [];
        for (let round = 0; round < (isShort ? 1 : 7); round++) starts.push(await startOnce(box));
        const figures: Figure[] = [
            { what: 'resident when idle', ours: mb(idle.rssMb), beside: `${mb(idle.anonMb)} of its own, the rest libraries`, target: '< 12 MB', reached: idle.rssMb < 12 },
            { what: 'CPU when idle', ours: `${cpu.toFixed(2)} ms/s` },
            { what: `start to first 2xx with ${runs.toLocaleString('en')} runs stored`, ours: ms(median(starts)), target: '< 100 ms', reached: median(starts) < 100 },
        ];
        show('5. Idle and start', figures);
        return figures;
    } finally {
        await box.close();
    }
}
