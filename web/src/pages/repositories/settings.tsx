/* Settings of one repository: what the server's table says of each, judged as one types, and what would change before it is saved. */
import '../../parts/lists.css';
import { Button, Group, NativeSelect, NumberInput, Switch, Text, TextInput } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconFileCode, IconHistory } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { queries, useOrder, useRead, useRights } from '../../api/queries.ts';
import type { Schemas } from '../../api/client.ts';
import {
    boundsWords,
    changesOf,
    draftOf,
    groupsOf,
    labelOf,
    settingWords,
    wrongsIn,
    type Draft,
    type SettingRow,
    type SettingValues,
} from '../../logic/settings.ts';
import { Problem } from '../../app/problem.tsx';
import { Waiting } from '../../parts/page.tsx';
import { Ago } from '../../parts/time.tsx';
import { Name } from '../../parts/text.tsx';

type Repository = Schemas['Repository'];
type AuditEntry = Schemas['AuditEntry'];

export function SettingsTab({ repository }: { repository: Repository }) {
    const path = `/api/v1/repositories/${repository.id}/settings`;
    const on = { on: ['repositories' as const], repository: repository.id };
    const table = useRead<{ items: SettingRow[] }>({ path: '/api/v1/settings/repository', on: [] });
    const values = useRead<SettingValues>({ path, ...on });
    if (table.error) return <Problem error={table.error} again={() => void table.refetch()} />;
    if (values.error) return <Problem error={values.error} again={() => void values.refetch()} />;
    if (!table.data || !values.data) return <Waiting />;
    return (
        <Form repository={repository} path={path} rows={table.data.items} values={values.data} />
    );
}

interface FormProps {
    repository: Repository;
    path: string;
    rows: SettingRow[];
    values: SettingValues;
}

function Form({ repository, path, rows, values }: FormProps) {
    const rights = useRights(repository.id);
    const fromFile = repository.settingsFile.settings;
    /** Only what was touched: what somebody else saves meanwhile shows in the fields that were not. */
    const [touched, setTouched] = useState<Draft>({});
    const draft = useMemo(
        () => ({ ...draftOf(rows, values), ...touched }),
        [rows, values, touched],
    );
    const wrongs = wrongsIn(rows, draft);
    const changes = changesOf(rows, values, draft);
    const isWrong = Object.keys(wrongs).length > 0;
    const save = useOrder<SettingValues>(
        () => ({
            method: 'PATCH',
            path,
            body: Object.fromEntries(changes.map((change) => [change.name, change.to])),
        }),
        (saved) => {
            queries.setQueryData([path, {}], saved);
            setTouched({});
            notifications.show({
                title: 'Confirmed',
                color: 'green',
                message: 'Saved. It counts at once, for held batches too.',
            });
        },
    );
    const type = (name: string, value: string | boolean) =>
        setTouched({ ...touched, [name]: value });
    return (
        <form
            className="settings"
            aria-label="Settings"
            onSubmit={(event) => {
                event.preventDefault();
                if (!isWrong && changes.length > 0) save.mutate();
            }}
        >
            {repository.settingsFile.wrong !== '' && (
                <div className="callout" data-tone="bad" role="status">
                    <strong>
                        .github/signalbox.yaml cannot be used; its last good version counts.
                    </strong>
                    <div>
                        <Name>{repository.settingsFile.wrong}</Name>
                    </div>
                </div>
            )}
            {groupsOf(rows).map((group) => (
                <fieldset key={group.name} className="settings-group">
                    <legend>{group.name}</legend>
                    {group.rows.map((row) => (
                        <Field
                            key={row.name}
                            row={row}
                            value={draft[row.name] ?? ''}
                            wrong={wrongs[row.name]}
                            isTouched={changes.some((change) => change.name === row.name)}
                            isInFile={Object.hasOwn(fromFile, row.name)}
                            isReadOnly={!rights.admin}
                            type={(value) => type(row.name, value)}
                        />
                    ))}
                </fieldset>
            ))}
            {save.error && <Problem error={save.error} />}
            {Object.keys(touched).length > 0 && (changes.length > 0 || isWrong) && (
                <section className="settings-save" aria-label="What saving changes">
                    <ul className="settings-diff">
                        {changes.map((change) => (
                            <li key={change.name}>
                                <span>{labelOf(change.name)}</span>
                                <del>{settingWords(change.from)}</del>
                                <span aria-hidden>→</span>
                                <ins>{settingWords(change.to)}</ins>
                            </li>
                        ))}
                        {Object.entries(wrongs).map(([name, wrong]) => (
                            <li key={name} data-wrong="true">
                                <span>{labelOf(name)}</span>
                                <span>{wrong}</span>
                            </li>
                        ))}
                    </ul>
                    <Group gap="xs">
                        <Button variant="default" onClick={() => setTouched({})}>
                            Undo
                        </Button>
                        <Button
                            type="submit"
                            disabled={isWrong || changes.length === 0}
                            loading={save.isPending}
                        >
                            {changes.length === 1
                                ? 'Save 1 change'
                                : `Save ${changes.length} changes`}
                        </Button>
                    </Group>
                </section>
            )}
            {rights.admin ? (
                <LastChange repositoryId={repository.id} />
            ) : (
                <Text c="dimmed" size="sm">
                    Owners and admins of the workspace may change these.
                </Text>
            )}
        </form>
    );
}

interface FieldProps {
    row: SettingRow;
    value: string | boolean;
    wrong: string | undefined;
    isTouched: boolean;
    isInFile: boolean;
    isReadOnly: boolean;
    type: (value: string | boolean) => void;
}

function Field({ row, value, wrong, isTouched, isInFile, isReadOnly, type }: FieldProps) {
    const isOff = isReadOnly || isInFile;
    const bounds = boundsWords(row).replace(', ', '');
    return (
        <div className="settings-row" data-touched={isTouched}>
            <div>
                <label className="settings-label" htmlFor={`set-${row.name}`}>
                    {labelOf(row.name)}
                </label>
                <div className="quiet" id={`doc-${row.name}`}>
                    {row.doc}
                    {isInFile && (
                        <span className="settings-file">
                            <IconFileCode size={13} aria-hidden /> set in .github/signalbox.yaml
                        </span>
                    )}
                </div>
            </div>
            {row.type === 'boolean' ? (
                <Switch
                    id={`set-${row.name}`}
                    aria-describedby={`doc-${row.name}`}
                    checked={value === true}
                    disabled={isOff}
                    label={value === true ? 'on' : 'off'}
                    onChange={(event) => type(event.currentTarget.checked)}
                />
            ) : row.type === 'choice' ? (
                <NativeSelect
                    id={`set-${row.name}`}
                    aria-describedby={`doc-${row.name}`}
                    w={190}
                    data={[...(row.options ?? [])]}
                    value={String(value)}
                    disabled={isOff}
                    error={wrong}
                    onChange={(event) => type(event.currentTarget.value)}
                />
            ) : row.type === 'name' ? (
                <TextInput
                    id={`set-${row.name}`}
                    aria-describedby={`doc-${row.name}`}
                    w={190}
                    value={String(value)}
                    disabled={isOff}
                    error={wrong}
                    onChange={(event) => type(event.currentTarget.value)}
                />
            ) : (
                <NumberInput
                    id={`set-${row.name}`}
                    aria-describedby={`doc-${row.name}`}
                    w={150}
                    value={String(value)}
                    disabled={isOff}
                    allowDecimal={false}
                    clampBehavior="none"
                    inputMode="numeric"
                    description={wrong ? undefined : bounds}
                    inputWrapperOrder={['input', 'description', 'error']}
                    error={wrong}
                    onChange={(typed) => type(String(typed))}
                />
            )}
        </div>
    );
}

/** The audit log knows who changed them last; only admins read it. */
function LastChange({ repositoryId }: { repositoryId: number }) {
    const { data } = useRead<{ items: AuditEntry[] }>({
        path: '/api/v1/audit',
        query: { action: 'repository.settings_changed', repository: repositoryId, limit: 20 },
        on: ['audit'],
        repository: repositoryId,
    });
    const last = data?.items.find((entry) => entry.repositoryId === repositoryId);
    if (!last) return null;
    return (
        <p className="quiet with-icon">
            <IconHistory size={14} aria-hidden /> Last changed by <Name>{last.actor.id}</Name>{' '}
            <Ago at={last.at} />
        </p>
    );
}
