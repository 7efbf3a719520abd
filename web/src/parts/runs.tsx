/* Runs as rows: the columns that a list of them may have. */
import type { Schemas } from '../api/client.ts';
import { paths } from '../app/paths.ts';
import { Command } from './command.tsx';
import { Go } from './go.tsx';
import type { Column } from './rows.tsx';
import { Status } from './status.tsx';
import { Name } from './text.tsx';
import { Ago, Duration, Took } from './time.tsx';

export type Run = Schemas['Run'];

/** Those of these keys, in this order. */
export function runColumns(keys: readonly string[]): Column<Run>[] {
    return keys.flatMap((key) => all.filter((column) => column.key === key));
}

const all: Column<Run>[] = [
    { key: 'state', title: 'Status', width: '116px', show: (run) => <Status state={run.state} /> },
    {
        key: 'command',
        title: 'Command',
        width: '92px',
        show: (run) => <Command command={run.command} />,
    },
    {
        key: 'component',
        title: 'Component',
        width: 'minmax(110px, 1.3fr)',
        show: (run) => (
            <Go to={paths.batch(run.batchId, run.position)} isPlain>
                <strong>
                    <Name max={60}>{run.component}</Name>
                </strong>
            </Go>
        ),
    },
    {
        key: 'stack',
        title: 'Stack',
        width: 'minmax(100px, 1.2fr)',
        show: (run) => <Name max={60}>{run.stack}</Name>,
    },
    {
        key: 'repository',
        title: 'Repository',
        width: 'minmax(90px, 0.9fr)',
        show: (run) => (
            <span className="quiet">
                <Name max={60}>{run.repository}</Name>
            </span>
        ),
    },
    {
        key: 'workflow',
        title: 'Workflow',
        width: 'minmax(110px, 1.2fr)',
        show: (run) => <Name max={60}>{run.workflow}</Name>,
    },
    {
        key: 'exit',
        title: 'Exit code',
        width: '70px',
        align: 'right',
        show: (run) => (run.exitCode === null ? <span className="quiet">–</span> : run.exitCode),
    },
    {
        key: 'change',
        title: 'Change',
        width: 'minmax(110px, 1.8fr)',
        show: (run) => <ChangeOf run={run} />,
    },
    {
        key: 'took',
        title: 'Took',
        width: '78px',
        align: 'right',
        show: (run) =>
            run.endedAt === null && run.startedAt !== null ? (
                <Took from={run.startedAt} />
            ) : (
                <Duration ms={run.endedAt === null ? null : run.durationMs} />
            ),
    },
    {
        key: 'actor',
        title: 'Who',
        width: 'minmax(70px, 0.6fr)',
        show: (run) => <Name max={30}>{run.actor}</Name>,
    },
    {
        key: 'age',
        title: 'Age',
        width: '76px',
        align: 'right',
        show: (run) => <Ago at={run.createdAt} />,
    },
];

function ChangeOf({ run }: { run: Run }) {
    const change = run.change;
    if (!change)
        return (
            <span className="quiet">
                {run.trigger === '' ? '–' : run.trigger.replaceAll('_', ' ')}
            </span>
        );
    return (
        <Go to={paths.change(change.id)} isPlain>
            {change.number !== null && change.number > 0 && (
                <span className="quiet">#{change.number} </span>
            )}
            <Name max={80}>
                {change.title === '' ? change.kind.replaceAll('_', ' ') : change.title}
            </Name>
        </Go>
    );
}
