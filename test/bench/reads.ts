/* What the pages read: pages of 100,000 runs by every filter, and a batch as a graph, on both databases. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gzipSync } from 'node:zlib';
import { median, percentile, program } from './rig.ts';
import { ms, show, type Figure } from './table.ts';

const per_batch = 50;
const page_ms_max = 20;
const day_ms = 86_400_000;
const began_ms = Date.UTC(2026, 0, 1);

const idOf = (prefix: string, at_ms: number, i: number) => `${prefix}_${at_ms.toString(36).padStart(10, '0')}${i.toString(36).padStart(18, '0')}`;
const text = (s: string | null) => (s === null ? 'null' : `'${s.replaceAll("'", "''")}'`);

/** What most filters find often, and some find only at the far end. All has ended, so that no lane has anything to do. */
function runRow(i: number, runs: number): (string | number | null)[] {
    const at_ms = began_ms + i * 60_000;
    const isOldest = i < 5;
    const pick = (i * 7919) % 1000;
    const guess = isOldest ? 'remediate' : pick < 700 ? 'plan' : pick < 985 ? 'apply' : 'detect';
    const state = isOldest ? 'timed_out' : pick % 100 < 93 ? 'success' : pick % 100 < 98 ? 'failure' : 'cancelled';
    const stack = isOldest ? 'rare-stack' : `plat-use1-${['dev', 'staging', 'prod', 'dr'][i % 4]}-${(i >> 2) % 10}`;
    const component = isOldest ? 'rare/component' : `layer${i % 8}/unit-${(i * 31) % 200}`;
    const isOpen = i >= runs - 20;
    return [
        idOf('run', at_ms, i), Math.floor(i / per_batch) + 1, i % per_batch, 1, 1 + (Math.floor(i / per_batch) % 3), stack, component,
        `atmos-terraform-${guess}.yaml`, 'main', 'a'.repeat(40), `{"component":"${component}","stack":"${stack}","sha":"${'a'.repeat(40)}"}`,
        'pull_request', guess, '', isOpen ? 'running' : state, i + 1, `https://github.com/acme/infra/actions/runs/${i + 1}`, at_ms, at_ms,
        at_ms + 5000, at_ms + 65_000, at_ms + 65_000,
    ];
}

function* rows(table: string, columns: string, count: number, row: (i: number) => (string | number | null)[]): Generator<string> {
    for (let at = 0; at < count; at += 500) {
        const lines = Array.from({ length: Math.min(500, count - at) }, (_, k) => `(${row(at + k).map((v) => (typeof v === 'number' ? v : text(v))).join(',')})`);
        yield `insert into ${table} (${columns}) values ${lines.join(',\n')};\n`;
    }
}

/** A graph in levels, every node of which has a row: the most that there is to read. */
function edgesHex(nodes: number, width: number): string {
    const pairs: number[] = [];
    for (let i = width; i < nodes; i++) for (let k = 0; k < 3; k++) pairs.push((Math.floor(i / width) - 1) * width + ((i * 7 + k * 31) % width), i);
    const bytes = Buffer.alloc(1 + pairs.length * 4);
    pairs.forEach((n, i) => bytes.writeUInt32LE(n, 1 + i * 4));
    return bytes.toString('hex');
}

function* story(workspace: string, runs: number, graphs: number[], blob: (hex: string) => string): Generator<string> {
    for (const r of [1, 2, 3])
        yield `insert into repository (id, workspace_id, forge_id, host, owner, name, created_ms) values (${r}, '${workspace}', ${r}, 'github.com', 'acme', 'infra-${r}', 1);\n`;
    const batches = Math.ceil(runs / per_batch);
    yield* rows('change', 'repository_id, kind, key, number, title, author, url, created_ms, updated_ms', batches / 4, (i) => [
        1 + (i % 3), 'pull_request', String(i + 1), i + 1, i === 0 ? 'The rarest of titles' : `Change number ${i + 1} of the network`, `person-${i % 30}`, 'https://github.com/acme/infra/pull/1', began_ms, began_ms,
    ]);
    const batchRow = (seq: number, nodes: number) => {
        const at_ms = began_ms + (seq - 1) * per_batch * 60_000;
        return [idOf('batch', at_ms, seq), 1 + ((seq - 1) % 3), Math.floor((seq - 1) / 4) + 1, 'pull_request', 'opened', 'a'.repeat(40), 'ended', 'success', seq === 1 ? 'rare-one' : `person-${seq % 30}`, nodes, nodes, at_ms, at_ms, at_ms];
    };
    const columns = 'id, repository_id, change_id, event, activity, head_sha, state, verdict, actor, node_count, dispatchable, created_ms, started_ms, updated_ms, edges';
    const batchLine = (row: (string | number)[], edges: string) => `insert into batch (${columns}) values (${row.map((v) => (typeof v === 'number' ? v : text(v))).join(',')}, ${edges});\n`;
    for (let seq = 1; seq <= batches; seq++) yield batchLine(batchRow(seq, per_batch), blob('00'));
    yield* rows('run', 'id, batch_seq, position, attempt, repository_id, stack, component, workflow, ref, sha, inputs, trigger_event, guess, reported, state, forge_run_id, url, created_ms, dispatched_ms, started_ms, ended_ms, seen_ms', runs, (i) => runRow(i, runs));
    const instances = new Map<string, (string | number)[]>();
    for (let i = 0; i < runs; i++) {
        const [, , , , repository, stack, component] = runRow(i, runs) as (string | number)[];
        instances.set(`${repository} ${stack} ${component}`, [repository!, stack!, component!, began_ms, began_ms]);
    }
    const known = [...instances.values()];
    yield* rows('instance', 'repository_id, stack, component, created_ms, updated_ms', known.length, (i) => known[i]!);
    for (const [k, nodes] of graphs.entries()) {
        const seq = batches + 1 + k;
        const row = batchRow(batches - 8, nodes);
        row[0] = `batch_graph_${nodes}`;
        yield batchLine(row, blob(edgesHex(nodes, nodes / 8)));
        yield* rows('node', 'batch_seq, position, stack, component, workflow, state, run_class, level, inputs, guess, attempt, run_id, changed_ms', nodes, (i) => {
            const isDone = i < nodes / 2;
            const component = `layer${Math.floor(i / (nodes / 8))}/unit-${i}`;
            return [seq, i, `plat-use1-${i % 4}`, component, 'atmos-terraform-plan.yaml', isDone ? 'success' : i < nodes * 0.6 ? 'running' : 'waiting', 0, Math.floor(i / (nodes / 8)), `{"component":"${component}"}`, 'plan', isDone ? 1 : 0, isDone ? `run_00000_${nodes}_${i}` : null, began_ms];
        });
        yield* rows('run', 'id, batch_seq, position, attempt, repository_id, stack, component, workflow, ref, sha, state, guess, created_ms, dispatched_ms, started_ms, ended_ms, seen_ms', nodes / 2, (i) => [
            `run_00000_${nodes}_${i}`, seq, i, 1, 1, `plat-use1-${i % 4}`, `unit-${i}`, 'atmos-terraform-plan.yaml', 'main', 'a', 'success', 'plan', 1, 1, 5, 60_005, 60_005,
        ]);
    }
}

const queries = (middle: string): [string, string][] => [
    ['newest', ''],
    ['from the middle', `cursor=${Buffer.from(middle).toString('base64url')}`],
    ['stack', 'stack=plat-use1-prod-3'],
    ['stack, rare', 'stack=rare-stack'],
    ['stack, pattern', 'stack=plat-*-prod-*'],
    ['stack, rare pattern', 'stack=rare-*'],
    ['component', 'component=layer3/unit-93'],
    ['component, rare', 'component=rare/component'],
    ['component, pattern', 'component=layer3/*'],
    ['stack and component', 'stack=rare-stack&component=rare/component'],
    ['repository', 'repo=2'],
    ['command plan', 'command=plan'],
    ['command detect', 'command=detect'],
    ['command, rare', 'command=remediate'],
    ['state success', 'state=success'],
    ['state failure', 'state=failure'],
    ['state, several', 'state=failure,cancelled,timed_out'],
    ['state, rare', 'state=timed_out'],
    ['state, live', 'state=running,queued'],
    ['state, none', 'state=skipped'],
    ['actor', 'actor=person-7'],
    ['actor, rare', 'actor=rare-one'],
    ['actor, none', 'actor=nobody'],
    ['change', 'change=77'],
    ['batch', `batch=${idOf('batch', began_ms + 9 * per_batch * 60_000, 10)}`],
    ['since', `since=${new Date(began_ms + 30 * day_ms).toISOString().slice(0, 19)}Z`],
    ['until', `until=${new Date(began_ms + 10 * day_ms).toISOString().slice(0, 19)}Z`],
    ['text', 'q=unit-93'],
    ['text, rare', 'q=rarest'],
    ['text, none', 'q=nowhere-to-be-found'],
    ['rare text, state and command', 'q=unit-93&state=cancelled&command=detect'],
];

async function ask(url: string, token: string, path: string): Promise<{ took_ms: number; body: string }> {
    const began = performance.now();
    const answer = await fetch(`${url}/api/v1/${path}`, { headers: { authorization: `Bearer ${token}` } });
    const body = await answer.text();
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${body.slice(0, 300)}`);
    return { took_ms: performance.now() - began, body };
}

export async function showReads(isShort: boolean): Promise<Figure[]> {
    process.env['SIGNALBOX_BIN'] ??= program;
    const { databases, Server } = await import('../run/server.ts');
    const runs = isShort ? 1000 : 100_000;
    const times = isShort ? 1 : 15;
    const figures: Figure[] = [];
    const slowest: Record<string, number[]> = {};
    const graphs = isShort ? [80] : [2000, 10_000];
    for (const kind of databases) {
        const database = await kind.open();
        const server = new Server(database);
        try {
            const token = server.bootstrap();
            await server.start();
            const workspace = JSON.parse((await ask(server.url, token, 'workspaces')).body).data.items[0].id as string;
            await server.stop();
            if (kind.name === 'SQLite') {
                const db = new DatabaseSync(database.url);
                db.exec('pragma foreign_keys = off; begin');
                for (const sql of story(workspace, runs, graphs, (hex) => `x'${hex}'`)) db.exec(sql);
                db.exec('commit; pragma wal_checkpoint(truncate)');
                db.close();
            } else {
                const file = join(database.dir, 'story.sql');
                writeFileSync(file, ['begin;\n', ...story(workspace, runs, graphs, (hex) => `'\\x${hex}'`), 'commit; analyze;\n'].join(''));
                execFileSync('/usr/lib/postgresql/15/bin/psql', ['-q', '-v', 'ON_ERROR_STOP=1', '-f', file, database.url], { stdio: ['ignore', 'ignore', 'inherit'] });
            }
            await server.start();
            const middle = runRow(runs / 2, runs)[0] as string;
            for (const [name, query] of queries(middle)) {
                const took: number[] = [];
                let shown = 0;
                for (let i = 0; i <= times; i++) {
                    const { took_ms, body } = await ask(server.url, token, `runs?${query}`);
                    if (i > 0 || isShort) took.push(took_ms);
                    shown = JSON.parse(body).data.items.length as number;
                }
                (slowest[`${name} (${shown})`] ??= []).push(median(took));
            }
            for (const nodes of graphs) {
                const took: number[] = [];
                let size = '';
                for (let i = 0; i < times + 1; i++) {
                    const { took_ms, body } = await ask(server.url, token, `batches/batch_graph_${nodes}/graph`);
                    if (i > 0 || isShort) took.push(took_ms);
                    if (i === 0) size = `${Math.round(body.length / 1000)} kB, ${Math.round(gzipSync(body).length / 1000)} kB packed`;
                }
                figures.push({ what: `graph of ${nodes} nodes, ${kind.name}`, ours: ms(median(took)), beside: size, target: nodes === 2000 ? '100 ms' : '', reached: nodes === 2000 ? median(took) < 100 : undefined });
            }
            for (const path of ['home', 'batches']) {
                const took: number[] = [];
                for (let i = 0; i < times + 1; i++) took.push((await ask(server.url, token, path)).took_ms);
                figures.push({ what: `${path}, ${kind.name}`, ours: ms(median(took)), beside: ms(percentile(took, 0.95)) });
            }
        } finally {
            await server.stop();
            await database.close();
        }
    }
    for (const [name, [ours, beside]] of Object.entries(slowest))
        figures.push({ what: `runs: ${name}`, ours: ms(ours!), beside: ms(beside!), target: ms(page_ms_max), reached: Math.max(ours!, beside!) < page_ms_max });
    show(`reading: ${runs.toLocaleString('en')} runs; a page of 50 on SQLite, beside it on PostgreSQL`, figures);
    return figures;
}
