/* Why nothing goes, with the figures, and the one button that lets it go. */
import { ActButton } from '../../parts/confirm.tsx';
import { Status } from '../../parts/status.tsx';
import { Ago, Duration } from '../../parts/time.tsx';
import { isPending, releaseOf, releaseOrder, reread, type Batch, type Hold } from './data.ts';
import { sentence } from './reasons.tsx';

const names: Record<Hold['kind'], string> = {
    draft: 'The pull request is a draft',
    rapid_push: 'Too many pushes in quick succession',
    threshold: 'More stacks than the threshold',
    rate_limit: 'No room in the budget',
};

interface Figure {
    name: string;
    value: string | number;
}
const number = (value: unknown): number | null =>
    typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;

/** The numbers that decide, in the order one would compare them; what is not known is left out. */
export function figuresOf(hold: Hold): Figure[] {
    const rows: [string, unknown][] = {
        draft: [],
        rapid_push: [
            ['pushes', hold.numbers['pushes']],
            ['allowed', hold.numbers['pushesMax']],
        ] as [string, unknown][],
        threshold: [
            ['would be dispatched', hold.numbers['dispatches']],
            ['threshold', hold.numbers['threshold']],
        ] as [string, unknown][],
        rate_limit: [
            ['calls wanted', hold.numbers['dispatches']],
            ['safe to spend', hold.numbers['safe']],
            ['kept back', hold.numbers['reserved']],
            ['remaining of the quota', hold.numbers['remaining']],
        ] as [string, unknown][],
    }[hold.kind];
    return rows.flatMap(([name, value]) => {
        const known = number(value);
        return known === null ? [] : [{ name, value: known.toLocaleString('en') }];
    });
}

function whatHappens(batch: Batch, way: string): string {
    const count = batch.dispatchable;
    const nodes = count === 1 ? 'its one run is' : `all ${count.toLocaleString('en')} runs are`;
    if (way === 'parts')
        return `It goes in dependency levels: each waits until the budget has room for it. At the end ${nodes} dispatched.`;
    if (way === 'resume')
        return `Dispatches of this pull request go on: ${nodes} dispatched, each when what it waits for has ended. Older heads stay where they are.`;
    return `${nodes[0]!.toUpperCase()}${nodes.slice(1)} dispatched, each when what it waits for has ended.`;
}

export function HoldCallout(props: { batch: Batch; mayOperate: boolean; why: string }) {
    const { batch, mayOperate } = props;
    const holds = batch.holds ?? [];
    const release = releaseOf(batch);
    if (batch.state !== 'held') return null;
    return (
        <section className="callout batch-hold" data-tone="wait" aria-label="Held">
            <h2>
                <Status state="held" word="Held" size={18} /> Nothing is dispatched.
            </h2>
            {holds.map((hold) => (
                <HoldRow key={hold.kind} hold={hold} />
            ))}
            {holds.length === 0 && <p>{batch.heldText ?? 'Its reason is not known here.'}</p>}
            {release && (
                <div className="batch-release">
                    <p>
                        {whatHappens(batch, release.way)}
                        {batch.forecast?.text ? ` ${sentence(batch.forecast.text)}` : ''}
                    </p>
                    {mayOperate ? (
                        <ActButton<Record<string, unknown>>
                            variant="filled"
                            size="sm"
                            order={() => releaseOrder(batch, release.way)}
                            done={(outcome) =>
                                isPending(outcome)
                                    ? 'Accepted; the page moves when it is done.'
                                    : 'Released: it goes out.'
                            }
                            after={() => reread(batch.id)}
                        >
                            {release.label}
                        </ActButton>
                    ) : (
                        <p className="quiet">
                            {props.why !== ''
                                ? props.why
                                : `Whoever may write to ${batch.repository} can release it.`}
                        </p>
                    )}
                </div>
            )}
        </section>
    );
}

function HoldRow(props: { hold: Hold }) {
    const { hold } = props;
    const figures = figuresOf(hold);
    const windowMs = number(hold.numbers['windowMs']);
    return (
        <div className="batch-hold-row">
            <div>
                <strong>{names[hold.kind]}</strong>
                <span className="quiet">
                    {' · '}
                    <Ago at={hold.since} />
                </span>
                <div>
                    {sentence(hold.text)}
                    {hold.kind === 'rapid_push' && windowMs !== null && (
                        <>
                            {' Counted over '}
                            <Duration ms={windowMs} />.
                        </>
                    )}
                </div>
                <div className="quiet">What ends it: {hold.wayOut}.</div>
            </div>
            {figures.length > 0 && (
                <dl className="batch-figures">
                    {figures.map((figure) => (
                        <div key={figure.name}>
                            <dd>{figure.value}</dd>
                            <dt>{figure.name}</dt>
                        </div>
                    ))}
                </dl>
            )}
        </div>
    );
}
