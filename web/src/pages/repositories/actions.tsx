/* Actions of a repository: what can be set off and how, what ran, and the runners and secrets that they use. */
import { Button, Group, Modal, NativeSelect, Switch, Table, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconPlayerPlay } from '@tabler/icons-react';
import { useState } from 'react';
import type { Schemas } from '../../api/client.ts';
import { useFeed } from '../../api/feed.ts';
import { newOrderKey } from '../../api/order-key.ts';
import { queries, useOrder, usePages, useRights } from '../../api/queries.ts';
import { Problem } from '../../app/problem.tsx';
import { firstParameters, readParameters, type Parameter } from '../../logic/parameters.ts';
import { ActButton } from '../../parts/confirm.tsx';
import { FeedRows } from '../../parts/feed-rows.tsx';
import { Empty, Waiting } from '../../parts/page.tsx';
import { fullName, type Repository } from '../../parts/repository.tsx';
import type { Column } from '../../parts/rows.tsx';
import { Status } from '../../parts/status.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago, Took } from '../../parts/time.tsx';

type Action = Schemas['Action'];
type ActionRun = Schemas['ActionRun'];
type Runner = Schemas['Runner'];
type Secret = Schemas['Secret'];

export function ActionsTab({ repository }: { repository: Repository }) {
    const path = `/api/v1/repositories/${repository.id}`;
    const concern = { on: ['actions' as const], repository: repository.id };
    const rights = useRights(repository.id);
    const actions = usePages<Action>({ path: `${path}/actions`, ...concern }, 200);
    const runners = usePages<Runner>({ path: `${path}/runners`, ...concern }, 200);
    const secrets = usePages<Secret>(
        { path: `${path}/secrets`, enabled: rights.operate, ...concern },
        200,
    );
    const [chosen, setChosen] = useState<Action | null>(null);
    if (actions.error) return <Problem error={actions.error} again={actions.again} />;
    if (actions.isPending) return <Waiting />;
    return (
        <>
            {actions.items.length === 0 ? (
                <Empty title="No action is defined">
                    An action is something that people set off with parameters, on a runner of
                    yours. Define it under <code>actions:</code> in{' '}
                    <code>.github/signalbox.yaml</code>, or with <code>signalbox actions set</code>.
                </Empty>
            ) : (
                <ActionTable actions={actions.items} may={rights.operate} choose={setChosen} />
            )}
            <div className="beside">
                <section>
                    <h2>Runners</h2>
                    <Names
                        none="None is registered; an action may name its endpoint itself."
                        rows={runners.items.map((one) => ({
                            name: one.name,
                            what: one.endpoint,
                            wrong: one.tokenIsSet ? '' : `the secret ${one.tokenSecret} is not set`,
                        }))}
                    />
                </section>
                {rights.operate && (
                    <section>
                        <h2>Secrets</h2>
                        <Names
                            none="None is set. Values are set by the command line and never shown again."
                            rows={secrets.items.map((one) => ({
                                name: one.name,
                                what: one.description,
                                wrong: '',
                            }))}
                        />
                    </section>
                )}
            </div>
            <h2>Runs</h2>
            <Runs repository={repository} may={rights.operate} />
            <Modal
                opened={chosen !== null}
                onClose={() => setChosen(null)}
                title={chosen ? `Set off ${titleOf(chosen)}` : ''}
            >
                {chosen && <SetOff path={path} action={chosen} close={() => setChosen(null)} />}
            </Modal>
        </>
    );
}

function titleOf(action: Action): string {
    return action.definition.displayName || action.name;
}

interface ActionTableProps {
    actions: Action[];
    may: boolean;
    choose: (action: Action) => void;
}

function ActionTable({ actions, may, choose }: ActionTableProps) {
    return (
        <div className="frame">
            <Table verticalSpacing={5}>
                <Table.Thead>
                    <Table.Tr>
                        <Table.Th>Action</Table.Th>
                        <Table.Th>Runs</Table.Th>
                        <Table.Th>Parameters</Table.Th>
                        <Table.Th>Defined</Table.Th>
                        {may && <Table.Th aria-label="Set off" />}
                    </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                    {actions.map((action) => (
                        <Table.Tr key={action.name}>
                            <Table.Td>
                                <strong>
                                    <Name max={60}>{titleOf(action)}</Name>
                                </strong>
                                {action.definition.description && (
                                    <Text size="xs" c="dimmed">
                                        <Name max={200}>{action.definition.description}</Name>
                                    </Text>
                                )}
                            </Table.Td>
                            <Table.Td>
                                <Name max={60}>
                                    {action.definition.trigger.workflow ??
                                        action.definition.trigger.type}
                                </Name>
                            </Table.Td>
                            <Table.Td className="quiet">
                                {(action.definition.parameters ?? [])
                                    .map((one) => one.name)
                                    .join(', ') || '–'}
                            </Table.Td>
                            <Table.Td className="quiet">
                                {action.source === 'file' ? 'in .github/signalbox.yaml' : 'by API'},{' '}
                                <Ago at={action.updatedAt} />
                            </Table.Td>
                            {may && (
                                <Table.Td ta="right">
                                    <Button
                                        variant="default"
                                        size="compact-xs"
                                        leftSection={<IconPlayerPlay size={13} aria-hidden />}
                                        onClick={() => choose(action)}
                                    >
                                        Set off
                                    </Button>
                                </Table.Td>
                            )}
                        </Table.Tr>
                    ))}
                </Table.Tbody>
            </Table>
        </div>
    );
}

function Names({
    rows,
    none,
}: {
    rows: { name: string; what: string; wrong: string }[];
    none: string;
}) {
    if (rows.length === 0) return <p className="quiet">{none}</p>;
    return (
        <dl className="facts">
            {rows.map((row) => (
                <div key={row.name} className="facts-pair">
                    <dt>
                        <Name isMono>{row.name}</Name>
                    </dt>
                    <dd>
                        <Name max={120}>{row.what}</Name>{' '}
                        {row.wrong !== '' && <Status state="error" word={row.wrong} />}
                    </dd>
                </div>
            ))}
        </dl>
    );
}

function SetOff({ path, action, close }: { path: string; action: Action; close: () => void }) {
    const parameters = (action.definition.parameters ?? []) as Parameter[];
    const [typed, setTyped] = useState(() => firstParameters(parameters));
    const [isTried, setTried] = useState(false);
    /** The same order, sent twice by an impatient hand or a bad line, is one run. */
    const [key] = useState(newOrderKey);
    const { values, wrong } = readParameters(parameters, typed);
    const start = useOrder<ActionRun>(
        () => ({
            method: 'POST',
            path: `${path}/actions/${encodeURIComponent(action.name)}/runs`,
            body: { parameters: values },
            key,
        }),
        () => {
            notifications.show({
                title: 'Confirmed',
                color: 'green',
                message: `${titleOf(action)} is set off.`,
            });
            void queries.invalidateQueries({ queryKey: ['/api/v1/action-runs'] });
            close();
        },
    );
    return (
        <form
            className="stacked"
            onSubmit={(event) => {
                event.preventDefault();
                setTried(true);
                if (Object.keys(wrong).length === 0) start.mutate();
            }}
        >
            {parameters.length === 0 && <Text size="sm">It has no parameters.</Text>}
            {parameters.map((one) => (
                <Field
                    key={one.name}
                    parameter={one}
                    value={typed[one.name] ?? ''}
                    wrong={isTried ? wrong[one.name] : undefined}
                    type={(value) => setTyped({ ...typed, [one.name]: value })}
                />
            ))}
            {start.error && <Problem error={start.error} />}
            <Group justify="flex-end" gap={8}>
                <Button variant="default" onClick={close}>
                    Leave it
                </Button>
                <Button type="submit" disabled={start.isPending}>
                    {start.isPending ? 'Sent…' : 'Set off'}
                </Button>
            </Group>
        </form>
    );
}

interface FieldProps {
    parameter: Parameter;
    value: string;
    wrong: string | undefined;
    type: (value: string) => void;
}

function Field({ parameter, value, wrong, type }: FieldProps) {
    const more = { label: parameter.name, description: parameter.description, error: wrong };
    if (parameter.type === 'boolean' && !parameter.enum)
        return (
            <Switch
                {...more}
                checked={value === 'true'}
                onChange={(event) => type(String(event.currentTarget.checked))}
            />
        );
    if (parameter.enum)
        return (
            <NativeSelect
                {...more}
                size="xs"
                data={['', ...parameter.enum.map(String)]}
                value={value}
                required={parameter.required ?? false}
                onChange={(event) => type(event.currentTarget.value)}
            />
        );
    return (
        <TextInput
            {...more}
            value={value}
            inputMode={parameter.type === 'number' ? 'decimal' : 'text'}
            withAsterisk={parameter.required ?? false}
            onChange={(event) => type(event.currentTarget.value)}
        />
    );
}

function Runs({ repository, may }: { repository: Repository; may: boolean }) {
    const feed = useFeed<ActionRun>({
        path: '/api/v1/action-runs',
        query: { repo: fullName(repository) },
        on: ['actions'],
        repository: repository.id,
    });
    return (
        <FeedRows
            feed={feed}
            label="Runs of actions"
            columns={may ? [...runColumns, cancelColumn] : runColumns}
            keyOf={(run) => run.id}
            none={<p className="quiet">None of them was set off yet.</p>}
        />
    );
}

const runColumns: Column<ActionRun>[] = [
    { key: 'state', title: 'Status', width: '120px', show: (run) => <Status state={run.state} /> },
    {
        key: 'action',
        title: 'Action',
        width: 'minmax(130px, 1fr)',
        show: (run) => <Name max={50}>{run.action}</Name>,
    },
    {
        key: 'parameters',
        title: 'Parameters',
        width: 'minmax(140px, 1.4fr)',
        show: (run) => (
            <Name isMono max={100}>
                {Object.entries(run.parameters)
                    .map(
                        ([name, value]) =>
                            `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
                    )
                    .join(' ')}
            </Name>
        ),
    },
    {
        key: 'error',
        title: 'What it says',
        width: 'minmax(140px, 1.6fr)',
        show: (run) =>
            run.error !== '' ? (
                <Name max={200}>{run.error}</Name>
            ) : run.state === 'running' && run.stopAskedAt !== null ? (
                <span className="quiet">
                    told to stop by <Name max={30}>{run.stopAskedBy}</Name>
                </span>
            ) : (
                <span className="quiet">–</span>
            ),
    },
    {
        key: 'actor',
        title: 'Who',
        width: 'minmax(80px, 0.7fr)',
        show: (run) => <Name max={30}>{run.actor}</Name>,
    },
    {
        key: 'took',
        title: 'Took',
        width: '90px',
        align: 'right',
        show: (run) => <Took from={run.takenAt} to={run.endedAt} />,
    },
    {
        key: 'age',
        title: 'Age',
        width: '84px',
        align: 'right',
        show: (run) => <Ago at={run.createdAt} />,
    },
];

const cancelColumn: Column<ActionRun> = {
    key: 'act',
    title: '',
    width: '76px',
    align: 'right',
    show: (run) =>
        run.endedAt === null && run.stopAskedAt === null ? (
            <ActButton
                variant="subtle"
                size="compact-xs"
                order={() => ({ method: 'POST', path: `/api/v1/action-runs/${run.id}/cancel` })}
                ask={{
                    title: 'Stop this run?',
                    word: 'Stop it',
                    isGrave: true,
                    text: 'A run that no runner has taken ends at once; another one when its runner has stopped it.',
                }}
                done={() => 'Told to stop.'}
                after={() => void queries.invalidateQueries({ queryKey: ['/api/v1/action-runs'] })}
            >
                Stop
            </ActButton>
        ) : null,
};
