/* 4. Lock and unlock, durable before each answer, beside Redis with appendfsync always in the same run. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../demo/serve.ts';
import { Child, has, median, openBox, pairsClient, withBare } from './rig.ts';
import { rate, show, times, type Figure } from './table.ts';
import { setTimeout as sleep } from 'node:timers/promises';

/** One client for both: each connection takes the lock of its own key and gives it back, in turn (bench_pairs.c). */
function pairs(kind: 'http' | 'redis', port: number, clients: number, seconds: number, ...more: string[]): { perSecond: number; bad: number } {
    const text = execFileSync(pairsClient, [kind, String(port), String(clients), String(seconds), ...more], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    const load = JSON.parse(text) as { pairs: number; micros: number; bad: number };
    return { perSecond: load.pairs * (1e6 / load.micros), bad: load.bad };
}

export async function showLocks(isShort: boolean): Promise<Figure[]> {
    const figures: Figure[] = [];
    const rounds = isShort ? 1 : 5, seconds = isShort ? 1 : 3;
    const dir = mkdtempSync(join(tmpdir(), 'signalbox-redis-'));
    const port = await freePort(0);
    const redis = has('redis-server')
        ? new Child('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--daemonize', 'no'])
        : undefined;
    try {
        await sleep(500);
        for (const clients of [1, 50]) {
            const mine: number[] = [], theirs: number[] = [], least: number[] = [];
            let bad = 0;
            for (let round = 0; round < rounds; round++) {
                const box = await openBox({ log_level: 'warn' });
                try {
                    const ours = Number(new URL(box.serve.url).port);
                    pairs('http', ours, clients, 1, box.api.token);
                    const load = pairs('http', ours, clients, seconds, box.api.token);
                    mine.push(load.perSecond);
                    bad += load.bad;
                } finally {
                    await box.close();
                }
                least.push(await withBare('locks', async (at) => pairs('http', at, clients, seconds, 'none').perSecond));
                if (redis) {
                    const load = pairs('redis', port, clients, seconds);
                    theirs.push(load.perSecond);
                    bad += load.bad;
                }
            }
            const ours = median(mine), redisRate = median(theirs), ceiling = median(least);
            figures.push({ what: `pairs a second, ${clients} client${clients > 1 ? 's' : ''}`, ours: rate(ours), beside: `Redis ${rate(redisRate)}`, ratio: times(ours / redisRate), target: '>= 1x', reached: ours >= redisRate });
            figures.push({ what: '  beside a server that only appends and flushes', ours: rate(ours), beside: `${rate(ceiling)}${redis ? `, ${times(ceiling / redisRate)} Redis` : ''}`, ratio: times(ours / ceiling) });
            figures.push({ what: '  answers that were not as they should', ours: String(bad), target: '0', reached: bad === 0 });
        }
    } finally {
        await redis?.stop();
        rmSync(dir, { recursive: true, force: true });
    }
    show('4. Lock and unlock, on disk before each answer', figures);
    return figures;
}
