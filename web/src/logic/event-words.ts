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
