import { describe, expect, it } from 'vitest';
import { eventWords } from './event-words.ts';

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
