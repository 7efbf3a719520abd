import { describe, expect, it } from 'vitest';
import { eventLines, eventWords } from './event-words.ts';

const run = 'run_00mwquu2ha129phpest8ykkjyinb';

describe('what an event did', () => {
    it.each([
        [`run ${run} is running`, 'run is running', run],
        [`${run}: late`, 'run: late', run],
        ['batch batch_00mwquu2ev3p6ha7f9y95jcfyi4l: ended', 'batch: ended', null],
        ['waits for its upload', 'waits for its upload', null],
        ['run_short stays', 'run_short stays', null],
        ['', '', null],
    ])('%j reads %j', (note, words, runId) => {
        expect(eventWords('webhook.workflow_run', note)).toEqual({ words, runId });
    });

    it('of an order is no sentence, and its kind is', () => {
        expect(eventWords('order', '{"run":"cb37"}').words).toBe('order');
        expect(eventWords('webhook.check_run', '{}').words).toBe('check run');
    });
});

describe('events in lines', () => {
    const event = (text: string, batchId: string | null = null) => ({
        kind: 'webhook.workflow_run',
        text,
        actor: 'bot',
        repository: 'acme/infra',
        batchId,
    });

    it('that read the same one after another are counted', () => {
        const events = [1, 2, 3].map((i) =>
            event(`run run_00mwquu2ha129phpest8ykkjyi${i}b is running`),
        );
        const lines = eventLines([
            ...events,
            event('waits'),
            event('waits'),
            event('run is running'),
        ]);
        expect(lines.map((line) => [line.words, line.count])).toEqual([
            ['run is running', 3],
            ['waits', 2],
            ['run is running', 1],
        ]);
        expect(lines[0]!.event).toBe(events[0]);
    });

    it('that changed nothing are left out', () => {
        const lines = eventLines([
            event('done', 'a'),
            event('late or twice: nothing changed'),
            event('our own doing'),
            event('done', 'a'),
            event('nothing to do'),
        ]);
        expect(lines.map((line) => [line.words, line.count])).toEqual([['done', 2]]);
    });

    it('of different batches are not', () => {
        expect(eventLines([event('done', 'a'), event('done', 'b')])).toHaveLength(2);
        expect(eventLines([])).toEqual([]);
    });
});
