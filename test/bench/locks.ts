/* 4. Lock and unlock, durable before each answer, beside Redis with appendfsync always in the same run. */
import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../demo/serve.ts';
import { Child, has, median, openBox } from './rig.ts';
import { rate, show, times, type Figure } from './table.ts';
import { setTimeout as sleep } from 'node:timers/promises';

/** wrk with one thread; each connection takes a key of its own and gives it back, in turn. Pairs per second. */
function pairs(url: string, token: string, clients: number, seconds: number): Promise<{ perSecond: number; bad: number }> {
    const script = join(import.meta.dirname, 'w5.lua');
    return new Promise((done, failed) => {
        const child = spawn('wrk', ['-t1', `-c${clients}`, `-d${seconds}s`, '-s', script, url, '--', token, String(clients)], { stdio: ['ignore', 'pipe', 'inherit'] });
        let text = '';
        child.stdout.on('data', (part: Buffer) => (text += part.toString()));
        child.on('close', () => {
            const line = text.split('\n').find((one) => one.startsWith('{'));
            if (!line) return failed(new Error(`wrk said: ${text}`));
            const load = JSON.parse(line) as { requests: number; micros: number; bad: number };
            done({ perSecond: (load.requests / 2) * (1e6 / load.micros), bad: load.bad });
        });
    });
}

/**
 * SET key token NX PX, then DEL: the pair as a Redis lock has it. A DEL of a key that is not there changes nothing and is not written to
 * disk, so every key is there before the deletes: with ten times as many keys as requests, all but few requests write.
 */
function redisPairs(port: number, clients: number, requests: number): number {
    const keys = requests * 10;
    const cli = (...command: string[]) => execFileSync('redis-cli', ['-p', String(port), ...command], { stdio: ['ignore', 'ignore', 'inherit'] });
    const one = (...command: string[]) => {
        const text = execFileSync('redis-benchmark', ['-p', String(port), '-c', String(clients), '-n', String(requests), '-r', String(keys), '--csv', ...command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
        const row = text.trim().split('\n').at(-1)!.split('","');
        return Number(row[1]!.replaceAll('"', ''));
    };
    cli('FLUSHALL');
    const set = one('SET', 'lock:__rand_int__', 'token', 'NX', 'PX', '300000');
    cli('EVAL', "for i = 0, ARGV[1] - 1 do redis.call('SET', string.format('lock:%012d', i), 'token', 'PX', 300000) end", '0', String(keys));
    const del = one('DEL', 'lock:__rand_int__');
    return 1 / (1 / set + 1 / del);
}

export async function showLocks(isShort: boolean): Promise<Figure[]> {
    const figures: Figure[] = [];
    const rounds = isShort ? 1 : 3;
    const dir = mkdtempSync(join(tmpdir(), 'signalbox-redis-'));
    const port = await freePort(0);
    const redis = has('redis-server')
        ? new Child('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--daemonize', 'no'])
        : undefined;
    try {
        await sleep(500);
        for (const clients of [1, 50]) {
            const mine: number[] = [], theirs: number[] = [];
            let bad = 0;
            for (let round = 0; round < rounds; round++) {
                const box = await openBox({ log_level: 'warn' });
                try {
                    await pairs(box.serve.url, box.api.token, clients, 1);
                    const load = await pairs(box.serve.url, box.api.token, clients, isShort ? 1 : 5);
                    mine.push(load.perSecond);
                    bad += load.bad;
                } finally {
                    await box.close();
                }
                if (redis) theirs.push(redisPairs(port, clients, isShort ? 2000 : clients === 1 ? 20_000 : 100_000));
            }
            const ours = median(mine), redisRate = median(theirs);
            figures.push({ what: `pairs a second, ${clients} client${clients > 1 ? 's' : ''}`, ours: rate(ours), beside: `Redis ${rate(redisRate)}`, ratio: times(ours / redisRate), target: '>= 1x', reached: ours >= redisRate });
            figures.push({ what: '  refused (a key is released before it is taken again)', ours: String(bad), target: '0', reached: bad === 0 });
        }
    } finally {
        await redis?.stop();
        rmSync(dir, { recursive: true, force: true });
    }
    show('4. Lock and unlock, on disk before each answer', figures);
    return figures;
}
