/*
 * What an event did, for people: the server's note has ids in it that are good for searching and bad for reading. A run that is named
 * becomes something to follow.
 */
export interface EventWords {
    words: string;
    /** The run that the note names. */
    runId: string | null;
}

const named = /\b(?:run |batch )?((run|batch|upl|req)_[0-9a-z]{16,})/g;
const plain: Record<string, string> = { run: 'run', batch: 'batch', upl: 'upload', req: 'request' };

export function eventWords(kind: string, note: string): EventWords {
    const runId = /\brun_[0-9a-z]{16,}/.exec(note)?.[0] ?? null;
    // Of an order only its outcome is kept, for whoever ordered; it is no sentence.
    if (note.startsWith('{'))
        return { words: kind.replace(/^webhook\./, '').replaceAll('_', ' '), runId };
    return { words: note.replace(named, (_, _id: string, what: string) => plain[what]!), runId };
}

export interface Told {
    kind: string;
    text: string;
    actor: string;
    repository: string | null;
    batchId: string | null;
}
export interface ToldLine<T> extends EventWords {
    /** The newest of them. */
    event: T;
    count: number;
}

/* Of GitHub's deliveries many come twice, or are the echo of what we did: they stand among the repository's webhooks. */
const nothing = ['late or twice: nothing changed', 'our own doing', 'nothing to do'];

/** What changed something; events one after another that read the same are one line with a count. */
export function eventLines<T extends Told>(events: readonly T[]): ToldLine<T>[] {
    const out: ToldLine<T>[] = [];
    for (const event of events) {
        if (nothing.includes(event.text)) continue;
        const read = eventWords(event.kind, event.text);
        const before = out.at(-1);
        if (before && before.words === read.words && placeOf(before.event) === placeOf(event)) {
            before.count++;
            continue;
        }
        out.push({ ...read, event, count: 1 });
    }
    return out;
}

function placeOf(event: Told): string {
    return JSON.stringify([event.kind, event.actor, event.repository, event.batchId]);
}
