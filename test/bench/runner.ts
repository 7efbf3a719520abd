/* 7. The runner: how soon a child runs, what a job costs beyond its child, and what the runner weighs when nothing is to be done. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunnerHouse, until } from '../e2e/runner-house.ts';
import { median, now_ms, percentile, program, used } from './rig.ts';
import { mb, ms, show, type Figure } from './table.ts';

/** Stands in for atmos: says when it began, and takes its time. The stack goes into the line, so that each start is known by its own. */
function writeAtmos(house: RunnerHouse, seconds: number): void {
    const path = join(house.dir, 'atmos-timed');
    writeFileSync(path, [`#!${'/bin/sh'}`, `echo "$3 $(date +%s%3N)" >>'${house.dir}/begun'`, `sleep ${seconds}`, ''].join('\n'));
    chmodSync(path, 0o755);
    house.settings['ATMOS_BIN'] = path;
}

async function restart(house: RunnerHouse): Promise<void> {
    house.signal('SIGTERM');
    await house.ended();
    await house.start();
}

const begun = (house: RunnerHouse): Map<string, number> =>
    new Map(house.lines('begun').map((line) => [line.replace(/^--stack=(\S+) .*/, '$1'), Number(line.split(' ')[1])]));

/** One at a time, warm: from the 202 to the child's own first line. */
async function firstLines(house: RunnerHouse, rounds: number): Promise<number[]> {
    const waited: number[] = [];
    for (let round = 0; round < rounds + 2; round++) {
        const stack = `warm-${round}`;
        const runId = await house.dispatch({ stack });
        const accepted = now_ms();
        await house.closed(runId);
        if (round >= 2) waited.push(begun(house).get(stack)! - accepted);
    }
    return waited;
}

/** All at once: until the last callback has come. */
async function many(house: RunnerHouse, jobs: number): Promise<{ wallMs: number; slots: number[] }> {
    const begin = now_ms();
    const ids = await Promise.all(Array.from({ length: jobs }, (_, i) => house.dispatch({ stack: `many-${i}` })));
    await until('every job has ended', () => ids.every((id) => house.platform.outcomes(id).length > 0));
    const wallMs = now_ms() - begin;
    const slots = ids.map((id) => Number((house.outcome(id)['metadata'] as { durationMs: number }).durationMs));
    return { wallMs, slots };
}

export async function showRunner(isShort: boolean): Promise<Figure[]> {
    process.env['SIGNALBOX_BIN'] = program;
    const jobs = isShort ? 16 : 200;
    const atOnce = 8;
    const child_ms = 200;
    const house = await RunnerHouse.open({ settings: { MAX_CONCURRENT_RUNS: String(atOnce), MAX_QUEUE: '1000', LOG_LEVEL: 'info' } });
    try {
        await sleep(isShort ? 100 : 2000);
        const idle = used(house.pid);
        writeAtmos(house, 0);
        await restart(house);
        const waited = await firstLines(house, isShort ? 3 : 30);
        writeAtmos(house, child_ms / 1000);
        const { wallMs, slots } = await many(house, jobs);
        const best = (jobs / atOnce) * child_ms;
        const inSlot = median(slots) - child_ms;
        const figures: Figure[] = [
            { what: 'accepted to the child running, median', ours: ms(median(waited)), beside: `p95 ${ms(percentile(waited, 0.95))}; local repository`, target: '< 150 ms', reached: median(waited) < 150 },
            { what: `${jobs} jobs, ${atOnce} at once: each beyond its child`, ours: ms((wallMs - best) / jobs), beside: `${ms(wallMs)} in all, ${ms(best)} of them the children's`, target: '< 50 ms', reached: (wallMs - best) / jobs < 50 },
            { what: 'the same, seen from inside one job', ours: ms(inSlot), beside: `a child of ${child_ms} ms, eight of them on the same cores` },
            { what: 'resident when idle', ours: mb(idle.rssMb), beside: `${mb(idle.anonMb)} of its own, the rest libraries`, target: '< 10 MB', reached: idle.rssMb < 10 },
        ];
        show('7. Runner', figures);
        return figures;
    } finally {
        await house.close();
    }
}
