import { describe, expect, it } from 'vitest';
import { durationsOf, type Timed } from './durations.ts';

function run(command: string, startedAt: string, durationMs: number | null): Timed {
    return { command, startedAt, endedAt: durationMs === null ? null : startedAt, durationMs };
}

describe('durations', () => {
    it('of fewer than two ended runs say nothing', () => {
        expect(durationsOf([])).toBeNull();
        const one = run('plan', '2026-11-21T10:00:00Z', 4000);
        expect(durationsOf([one, run('plan', '2026-11-21T11:00:00Z', null)])).toBeNull();
    });

    it('are a line a command, oldest first, whatever the order of the rows', () => {
        const newest = run('plan', '2026-11-21T12:00:00Z', 6000);
        const apply = run('apply', '2026-11-21T11:00:00Z', 30_000);
        const oldest = run('plan', '2026-11-21T10:00:00Z', 4000);
        expect(durationsOf([newest, apply, oldest])).toEqual({
            at_ms: [oldest, apply, newest].map(({ startedAt }) => Date.parse(startedAt!)),
            lines: [
                { command: 'apply', values: [null, 30, null] },
                { command: 'plan', values: [4, null, 6] },
            ],
            unit: 's',
            words: 'How long runs took: apply took 30 s; 2 of plan took 4 s to 6 s, the newest 6 s.',
        });
    });

    it('are in minutes when one took long; a run without a command is a run', () => {
        const found = durationsOf([
            run('', '2026-11-21T12:00:00Z', 600_000),
            run('', '2026-11-21T10:00:00Z', 60_000),
        ]);
        expect(found).toMatchObject({ unit: 'min', lines: [{ command: 'run', values: [1, 10] }] });
    });
});
