import { Empty, Page } from '../../parts/page.tsx';

export default function Budget() {
    return (
        <Page title="Budget">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
