import { describe, expect, it } from 'vitest';
import { firstParameters, readParameters, type Parameter } from './parameters.ts';

const parameters: Parameter[] = [
    { name: 'env', required: true, enum: ['dev', 'prod'] },
    { name: 'count', type: 'number', default: 3 },
    { name: 'force', type: 'boolean' },
    { name: 'note' },
];

describe('parameters of an action', () => {
    it('begin with their defaults', () => {
        expect(firstParameters(parameters)).toEqual({
            env: '',
            count: '3',
            force: 'false',
            note: '',
        });
    });

    it('are sent with their types, empty ones left out', () => {
        const typed = { env: 'dev', count: '2.5', force: 'true', note: '' };
        expect(readParameters(parameters, typed)).toEqual({
            values: { env: 'dev', count: 2.5, force: true },
            wrong: {},
        });
    });

    it.each([
        [{ env: '' }, { env: 'This one is needed.' }],
        [{ env: 'stage' }, { env: 'Choose one of the list.' }],
        [{ env: 'dev', count: 'three' }, { count: 'Type a number.' }],
        [{ env: 'dev', count: '  ' }, { count: 'Type a number.' }],
    ])('%j: %j', (typed, wrong) => {
        expect(readParameters(parameters, typed).wrong).toEqual(wrong);
    });
});
