/* Filters that choose from a list: some of many, or a time. They tell the address, as parts/filters.tsx does. */
import { Button, Menu, Select } from '@mantine/core';
import { IconChevronDown, IconX } from '@tabler/icons-react';
import { splitValues, toggleValue, type FilterField } from '../logic/list-filters.ts';
import { lookOf } from './status.tsx';

interface PickProps {
    label: string;
    field: FilterField;
    value: string;
    /** How a value reads; without: as the status of that name. */
    wordOf?: (value: string) => string;
    onChange: (value: string) => void;
}

/** A button that opens the list; its text says what is chosen. */
export function PickMany({
    label,
    field,
    value,
    wordOf = (one) => lookOf(one).word,
    onChange,
}: PickProps) {
    const chosen = splitValues(value);
    const text =
        chosen.length === 0
            ? label
            : chosen.length <= 2
              ? `${label}: ${chosen.map(wordOf).join(', ')}`
              : `${label}: ${chosen.length} chosen`;
    return (
        <Menu closeOnItemClick={false} position="bottom-start">
            <Menu.Target>
                <Button
                    variant={chosen.length > 0 ? 'light' : 'default'}
                    rightSection={<IconChevronDown size={13} aria-hidden />}
                >
                    {text}
                </Button>
            </Menu.Target>
            <Menu.Dropdown>
                {(field.values ?? []).map((one) => (
                    <Menu.CheckboxItem
                        key={one}
                        checked={chosen.includes(one)}
                        onChange={() => onChange(toggleValue(field, value, one))}
                    >
                        {wordOf(one)}
                    </Menu.CheckboxItem>
                ))}
                {chosen.length > 0 && (
                    <>
                        <Menu.Divider />
                        <Menu.Item
                            leftSection={<IconX size={14} aria-hidden />}
                            onClick={() => onChange('')}
                        >
                            Any
                        </Menu.Item>
                    </>
                )}
            </Menu.Dropdown>
        </Menu>
    );
}

/** One of a list that may be long: typing narrows it. */
export function PickOne(props: {
    label: string;
    values: readonly { value: string; label: string }[];
    value: string;
    width?: number;
    onChange: (value: string) => void;
}) {
    const has = props.values.some((one) => one.value === props.value);
    const data =
        has || props.value === ''
            ? props.values
            : [...props.values, { value: props.value, label: props.value }];
    return (
        <Select
            aria-label={props.label}
            placeholder={props.label}
            searchable={props.values.length > 8}
            clearable
            limit={100}
            w={props.width ?? 190}
            data={[...data]}
            value={props.value === '' ? null : props.value}
            onChange={(value) => props.onChange(value ?? '')}
        />
    );
}

const ages = [
    { value: '1h', label: 'Last hour' },
    { value: '24h', label: 'Last 24 hours' },
    { value: '7d', label: 'Last 7 days' },
    { value: '30d', label: 'Last 30 days' },
];

export function PickAge(props: { value: string; onChange: (value: string) => void }) {
    return <PickOne label="Any time" values={ages} width={140} {...props} />;
}

/** There when something is filtered: takes all of it away. */
export function ClearFilters({ isOn, clear }: { isOn: boolean; clear: () => void }) {
    if (!isOn) return null;
    return (
        <Button
            variant="subtle"
            color="gray"
            leftSection={<IconX size={13} aria-hidden />}
            onClick={clear}
        >
            Clear
        </Button>
    );
}
