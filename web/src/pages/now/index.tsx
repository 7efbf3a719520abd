import { Empty, Page } from '../../parts/page.tsx';

export default function Now() {
    return (
        <Page title="Now">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
