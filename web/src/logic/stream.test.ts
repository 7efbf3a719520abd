import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import {
    isConcerned,
    Pace,
    poll_ms,
    pollAfter_ms,
    Stream,
    type Changed,
    type Concern,
    type Source,
} from './stream.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

class Fake implements Source {
    readonly url: string;
    isClosed = false;
    private takers = new Map<string, (event: { data?: string; lastEventId?: string }) => void>();
    constructor(url: string) {
        this.url = url;
    }
    addEventListener(
        name: string,
        take: (event: { data?: string; lastEventId?: string }) => void,
    ): void {
        this.takers.set(name, take);
    }
    close(): void {
        this.isClosed = true;
    }
    say(name: string, data?: unknown, lastEventId = ''): void {
        this.takers.get(name)!({
            lastEventId,
            ...(data === undefined ? {} : { data: JSON.stringify(data) }),
        });
    }
}

function rig() {
    const sources: Fake[] = [];
    const told: string[] = [];
    const stream = new Stream({
        connect: (url) => {
            const source = new Fake(url);
            sources.push(source);
            return source;
        },
        resync: () => told.push('resync'),
        changed: (changed) => told.push(changed.kinds.join()),
        batch: () => told.push('batch'),
        random: () => 1,
    });
    return { stream, sources, told, last: () => sources.at(-1)! };
}

test.each<[string, Concern, Changed, boolean]>([
    ['its kind', { on: ['runs'] }, { kinds: ['batches', 'runs'] }, true],
    ['another kind', { on: ['locks'] }, { kinds: ['batches'] }, false],
    [
        'its batch',
        { on: ['batches'], batch: 'a' },
        { kinds: ['batches'], batches: ['b', 'a'] },
        true,
    ],
    [
        'another batch',
        { on: ['batches'], batch: 'a' },
        { kinds: ['batches'], batches: ['b'] },
        false,
    ],
    ['any batch', { on: ['batches'], batch: 'a' }, { kinds: ['batches'] }, true],
    ['a list of all batches', { on: ['batches'] }, { kinds: ['batches'], batches: ['b'] }, true],
    [
        'another repository',
        { on: ['runs'], repository: 1 },
        { kinds: ['runs'], repositories: [2] },
        false,
    ],
])('a change of %s', (_, concern, changed, is) => {
    expect(isConcerned(concern, changed)).toBe(is);
    expect(isConcerned(undefined, changed)).toBe(false);
});

test('what comes is passed on, and a broken stream goes on where it was', () => {
    const { stream, told, last, sources } = rig();
    stream.start();
    expect(last().url).toBe('/api/v1/live');
    last().say('open');
    expect(stream.state).toBe('live');
    expect(told.splice(0)).toEqual(['resync']);
    last().say('changed', { kinds: ['runs'] }, 'boot-1');
    last().say('batch', { batchId: 'a' }, 'boot-2');
    last().say('resync', undefined, 'boot-9');
    expect(told.splice(0)).toEqual(['runs', 'batch', 'resync']);
    last().say('error');
    expect(stream.state).toBe('connecting');
    expect(sources[0]!.isClosed).toBe(true);
    vi.advanceTimersByTime(500);
    expect(last().url).toBe('/api/v1/live?after=boot-9');
    last().say('open');
    expect(told).toEqual([]);
    stream.stop();
});

test('ever longer waits, then questions instead of a stream, and back', () => {
    const { stream, told, last, sources } = rig();
    stream.start();
    const opened: number[] = [];
    for (let second = 0; second < 60; second++) {
        if (!last().isClosed) {
            opened.push(second);
            last().say('error');
        }
        vi.advanceTimersByTime(1000);
    }
    expect(opened).toEqual([0, 1, 2, 4, 8, 16, 31, 46]);
    expect(stream.state).toBe('polling');
    expect(told.length).toBe(1 + Math.floor((60_000 - pollAfter_ms) / poll_ms));
    vi.advanceTimersByTime(2_000);
    sources.at(-1)!.say('open');
    expect(stream.state).toBe('live');
    const before = told.length;
    vi.advanceTimersByTime(60_000);
    expect(told.length).toBe(before);
    stream.stop();
});

test('a short break is nobody’s business: what was missed is told, nothing is asked', () => {
    const { stream, told, last } = rig();
    stream.start();
    last().say('open');
    last().say('changed', { kinds: ['runs'] }, 'boot-1');
    told.splice(0);
    last().say('bye');
    vi.advanceTimersByTime(9_000);
    last().say('open');
    vi.advanceTimersByTime(60_000);
    expect(told).toEqual([]);
    stream.stop();
});

test('a break before anything was told: what is shown is asked again', () => {
    const { stream, told, last } = rig();
    stream.start();
    last().say('open');
    told.splice(0);
    last().say('error');
    vi.advanceTimersByTime(500);
    last().say('open');
    expect(told).toEqual(['resync']);
    stream.stop();
});

test('another batch to watch means another stream; what the old one still says is not heard', () => {
    const { stream, told, last, sources } = rig();
    stream.start();
    last().say('open');
    told.splice(0);
    stream.watch('b1');
    expect(last().url).toBe('/api/v1/live?batch=b1');
    sources[0]!.say('changed', { kinds: ['runs'] });
    expect(told).toEqual([]);
    stream.watch('b1');
    expect(sources).toHaveLength(2);
    stream.stop();
    expect(last().isClosed).toBe(true);
    vi.advanceTimersByTime(60_000);
    expect(sources).toHaveLength(2);
});

test('a pace: at once, and what comes meanwhile once more at the end of the pause', () => {
    const acts: string[] = [];
    const pace = new Pace(1000, (key) => acts.push(key));
    for (let i = 0; i < 10; i++) pace.ask('a');
    pace.ask('b');
    expect(acts).toEqual(['a', 'b']);
    vi.advanceTimersByTime(1000);
    expect(acts).toEqual(['a', 'b', 'a']);
    vi.advanceTimersByTime(5000);
    expect(acts).toEqual(['a', 'b', 'a']);
    pace.ask('a');
    expect(acts).toEqual(['a', 'b', 'a', 'a']);
});
