/* 1. Signed deliveries of 9 KB: checked and on disk before the 202, beside servers that store nothing and a bare SQLite. */
import { execFileSync, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../demo/serve.ts';
import { answers, Child, has, importRepository, median, openBox, signature, store, used, webhookSecret, withBare } from './rig.ts';
import { mb, ms, rate, show, times, type Figure } from './table.ts';

const bodyBytes = 9216;
const connections = 32;
const repositoryId = 186853002;

interface Load {
    requests: number;
    micros: number;
    p50_us: number;
    p99_us: number;
    max_us: number;
    bad: number;
    broken: number;
    cpu_us: number;
}
const perSecond = (load: Load) => (load.requests * 1e6) / load.micros;

/** GitHub's own example of a push, filled up to 9 KB with a commit's message as people write them. */
function pushBody(): Buffer {
    const examples = createRequire(import.meta.url)('@octokit/webhooks-examples') as { name: string; examples: Record<string, unknown>[] }[];
    const push = structuredClone(examples.find((one) => one.name === 'push')!.examples[0]!) as {
        repository: { id: number };
        commits: object[];
    };
    push.repository.id = repositoryId;
    const message = (n: number) => Array.from({ length: n }, (_, i) => ((i * 2654435761) >>> 7).toString(36)).join(' ');
    let words = 0;
    const sized = (n: number) => Buffer.from(JSON.stringify({ ...push, commits: [{ ...push.commits[0], message: message(n) }] }));
    while (sized(words).length < bodyBytes) words++;
    return sized(words);
}

function wrk(url: string, file: string, sign: string, word: string, seconds: number): Promise<Load> {
    const script = join(import.meta.dirname, 'w1.lua');
    return new Promise((done, failed) => {
        const child = spawn('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', script, url, '--', file, sign, word], {
            stdio: ['ignore', 'pipe', 'inherit'],
        });
        let text = '';
        child.stdout.on('data', (part: Buffer) => (text += part.toString()));
        child.on('close', () => {
            const line = text.split('\n').find((one) => one.startsWith('{'));
            if (line) done({ cpu_us: NaN, ...(JSON.parse(line) as object) } as Load);
            else failed(new Error(`wrk said: ${text}`));
        });
    });
}

/** What the server of `pid` does with it; everybody is warm before, and nobody has a core of its own. */
async function loaded(pid: number, load: (word: string, seconds: number) => Promise<Load>, word: string, seconds: number): Promise<Load> {
    await load(`warm-${word}`, 1);
    const before = used(pid).cpuMs;
    const one = await load(word, seconds);
    return { ...one, cpu_us: ((used(pid).cpuMs - before) * 1000) / one.requests };
}

export async function webhooks(isShort: boolean): Promise<Figure[]> {
    const seconds = isShort ? 1 : 8;
    const rounds = isShort ? 1 : 3;
    const dir = mkdtempSync(join(tmpdir(), 'signalbox-w1-'));
    const file = join(dir, 'push.json');
    const body = pushBody();
    writeFileSync(file, body);
    const sign = signature(body);
    const to = (url: string) => (word: string, s: number) => wrk(url, file, sign, word, s);
    const json = (...args: string[]) => JSON.parse(execFileSync(store, args, { encoding: 'utf8' })) as Record<string, number>;
    try {
        const fsync = json('fsync', dir, isShort ? '0.3' : '2');
        const bare: number[] = [];
        const mine: Load[] = [], peer: Load[] = [], octokit: Load[] = [], least: Load[] = [];
        const rss: number[] = [], applied_s: number[] = [];
        for (let round = 0; round < rounds; round++) {
            bare.push(json('insert', mkdtempSync(join(dir, 'bare-')), String(bodyBytes), '32', isShort ? '0.5' : '4')['per_second']!);
            const box = await openBox({ log_level: 'warn' });
            try {
                await importRepository(box, repositoryId, 'Codertocat', 'Hello-World');
                mine.push(await loaded(box.pid, to(`${box.serve.url}/webhooks/github`), `mine${round}`, seconds));
                rss.push(used(box.pid).peakMb);
                const begin = Date.now();
                while (Date.now() - begin < 60_000 && (await pending(box.serve.url)) > 0) await sleep(50);
                applied_s.push((Date.now() - begin) / 1000);
            } finally {
                await box.close();
            }
            if (has('webhook')) peer.push(await withPeer(dir, (url, pid) => loaded(pid, to(url), `peer${round}`, seconds)));
            octokit.push(await withOctokit((url, pid) => loaded(pid, to(url), `octo${round}`, seconds)));
            least.push(await withBare('webhooks', (at, pid) => loaded(pid, to(`http://127.0.0.1:${at}/`), `least${round}`, seconds)));
        }
        const ours = median(mine.map(perSecond));
        const beside = (what: string, other: number[], target: number): Figure => ({
            what,
            ours: rate(ours),
            beside: rate(median(other)),
            ratio: times(ours / median(other)),
            target: `>= ${target}x`,
            reached: ours / median(other) >= target,
        });
        const ceiling = median(least.map(perSecond));
        const p99_ms = median(mine.map((one) => one.p99_us)) / 1000;
        const p99_max = (fsync['p50_us']! / 1000) * 10 + 10;
        const us = (of: Load[]) => `${median(of.map((one) => one.cpu_us)).toFixed(0)} us`;
        const bad = mine.reduce((sum, one) => sum + one.bad + one.broken, 0);
        return [
            ...(peer.length > 0 ? [beside("beside Debian's webhook 2.8 (stores nothing)", peer.map(perSecond), 5)] : []),
            beside('beside @octokit/webhooks on Node (stores nothing)', octokit.map(perSecond), 2),
            beside('beside a bare SQLite loop, 9 KB rows, 32 a commit', bare, 0.5),
            { what: 'beside a server that only checks, appends, flushes', ours: rate(ours), beside: `${rate(ceiling)}${peer.length > 0 ? `, ${times(ceiling / median(peer.map(perSecond)))} webhook` : ''}`, ratio: times(ours / ceiling) },
            { what: 'p99 of an answer', ours: ms(p99_ms), beside: `fsync ${Math.round(fsync['p50_us']!)} us, p99 ${Math.round(fsync['p99_us']!)} us`, target: `< ${ms(p99_max)}`, reached: p99_ms < p99_max },
            { what: 'p99 of the others', ours: '', beside: `webhook ${ms(median(peer.map((one) => one.p99_us)) / 1000)}, octokit ${ms(median(octokit.map((one) => one.p99_us)) / 1000)}` },
            { what: 'CPU of one delivery', ours: us(mine), beside: `webhook ${us(peer)}, octokit ${us(octokit)}, the bare one ${us(least)}` },
            { what: 'peak memory under the load', ours: mb(median(rss)), target: '< 64 MB', reached: median(rss) < 64 },
            { what: 'answers that were not 202, or none', ours: String(bad), target: '0', reached: bad === 0 },
            { what: 'after the load: until every fact is applied', ours: `${median(applied_s).toFixed(2)} s` },
        ];
    } finally {
        rmSync(dir, { recursive: true, force: true });
    }
}

async function pending(url: string): Promise<number> {
    const text = await (await fetch(`${url}/metrics`)).text();
    const line = /^signalbox_facts_pending(?:\{\})? (\d+)/m.exec(text);
    return line ? Number(line[1]) : 0;
}

async function withPeer(dir: string, load: (url: string, pid: number) => Promise<Load>): Promise<Load> {
    const port = await freePort(0);
    const hooks = join(dir, 'hooks.json');
    const hmac = { match: { type: 'payload-hmac-sha256', secret: webhookSecret, parameter: { source: 'header', name: 'X-Hub-Signature-256' } } };
    const never = { match: { type: 'value', value: 'never', parameter: { source: 'payload', name: 'ref' } } };
    writeFileSync(hooks, JSON.stringify([{ 'id': 'w1', 'execute-command': '/bin/true', 'trigger-rule': { and: [hmac, never] } }]));
    const child = new Child('webhook', ['-hooks', hooks, '-ip', '127.0.0.1', '-port', String(port)]);
    try {
        await answers(`http://127.0.0.1:${port}/`);
        return await load(`http://127.0.0.1:${port}/hooks/w1`, child.pid);
    } finally {
        await child.stop();
    }
}

async function withOctokit(load: (url: string, pid: number) => Promise<Load>): Promise<Load> {
    const port = await freePort(0);
    const child = new Child(process.execPath, [join(import.meta.dirname, 'octokit.ts'), String(port), webhookSecret], 'pipe');
    try {
        await child.line();
        return await load(`http://127.0.0.1:${port}/w1`, child.pid);
    } finally {
        await child.stop();
    }
}

export const showWebhooks = async (isShort: boolean) => {
    const figures = await webhooks(isShort);
    show('1. Webhooks: signed deliveries of 9 KB, on disk before the answer', figures);
    return figures;
};
