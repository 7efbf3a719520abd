/* A batch in one line: what set it off, how far it is, when it will be done. */
import type { Schemas } from '../api/client.ts';
import { paths } from '../app/paths.ts';
import { Go } from './go.tsx';
import type { Column } from './rows.tsx';
import { batchState, Status } from './status.tsx';
import { Name, Sha } from './text.tsx';
import { Ago, Took } from './time.tsx';

export type Batch = Schemas['Batch'];

/** What set it off, in words: "#42 A second zone", "v1.2.0", or the event. */
export function BatchTitle({ batch }: { batch: Batch }) {
    const change = batch.change;
    const words = change?.title
        ? change.title
        : `${batch.event} ${batch.activity}`.replaceAll('_', ' ').trim();
    return (
        <>
            {change !== null && change.number > 0 && (
                <span className="quiet">#{change.number} </span>
            )}
            <Name max={90}>{words === '' ? batch.id : words}</Name>
        </>
    );
}

const doneStates = [
    'success',
    'failure',
    'cancelled',
    'timed_out',
    'skipped',
    'superseded',
    'error',
];
const badStates = ['failure', 'timed_out', 'error'];

export function doneOf(batch: Pick<Batch, 'counts'>): { done: number; bad: number; of: number } {
    let done = 0;
    let bad = 0;
    let of = 0;
    for (const [state, count] of Object.entries(batch.counts ?? {})) {
        if (state === 'not_dispatched') continue;
        of += count;
        if (doneStates.includes(state)) done += count;
        if (badStates.includes(state)) bad += count;
    }
    return { done, bad, of };
}

/** "12 of 24", failed ones named; the bar says the same. */
export function Progress({ batch }: { batch: Batch }) {
    const { done, bad, of } = doneOf(batch);
    if (of === 0) return <span className="quiet">nothing to do</span>;
    return (
        <span className="progress">
            <span className="progress-bar" aria-hidden>
                <span
                    className="progress-good"
                    style={{ width: `${(100 * (done - bad)) / of}%` }}
                />
                <span className="progress-bad" style={{ width: `${(100 * bad) / of}%` }} />
            </span>
            <span>
                {done} of {of}
                {bad > 0 && <span className="progress-words">, {bad} failed</span>}
            </span>
        </span>
    );
}

export const batchColumns: Column<Batch>[] = [
    {
        key: 'state',
        title: 'Status',
        width: '120px',
        show: (batch) => <Status state={batchState(batch)} />,
    },
    {
        key: 'title',
        title: 'Change',
        width: 'minmax(200px, 2.4fr)',
        show: (batch) => (
            <Go to={paths.batch(batch.id)} isPlain>
                <BatchTitle batch={batch} />
            </Go>
        ),
    },
    {
        key: 'event',
        title: 'Event',
        width: 'minmax(120px, 1fr)',
        show: (batch) => (
            <span className="quiet">
                {`${batch.event} ${batch.activity}`.replaceAll('_', ' ').trim()}
            </span>
        ),
    },
    { key: 'head', title: 'Head', width: '76px', show: (batch) => <Sha>{batch.headSha}</Sha> },
    { key: 'progress', title: 'Done', width: '210px', show: (batch) => <Progress batch={batch} /> },
    {
        key: 'actor',
        title: 'Who',
        width: 'minmax(80px, 0.7fr)',
        show: (batch) => <Name max={30}>{batch.actor}</Name>,
    },
    {
        key: 'took',
        title: 'Took',
        width: '90px',
        align: 'right',
        show: (batch) => <Took from={batch.startedAt} to={batch.endedAt} />,
    },
    {
        key: 'age',
        title: 'Age',
        width: '84px',
        align: 'right',
        show: (batch) => <Ago at={batch.createdAt} />,
    },
];
